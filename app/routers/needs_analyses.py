"""Needs analyses: the result of a completed form."""

from fastapi import APIRouter

router = APIRouter(tags=["needs-analyses"])
