"""Published forms."""

from fastapi import APIRouter

router = APIRouter(tags=["forms"])
