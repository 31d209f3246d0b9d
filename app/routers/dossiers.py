"""The personal dossier."""

from fastapi import APIRouter

router = APIRouter(tags=["dossiers"])
