"""Relationships and the penetration network."""

from fastapi import APIRouter

router = APIRouter(tags=["relationships"])
