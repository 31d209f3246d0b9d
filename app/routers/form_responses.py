"""Answers to forms, from draft to completed."""

from fastapi import APIRouter

router = APIRouter(tags=["form-responses"])
