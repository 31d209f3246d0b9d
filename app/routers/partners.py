"""What partner banks may ask."""

from fastapi import APIRouter, Response

from app.deps import PartnerSelf
from app.models.api_keys import PartnerMe
from app.services import api_keys

router = APIRouter(prefix="/v1/partner", tags=["partner"])


@router.get("/me", response_model=PartnerMe, summary="What this key is")
async def get_partner(actor: PartnerSelf) -> Response:
    """The partner's name, the scopes of the key and when it expires."""
    return Response(await api_keys.me(actor), media_type="application/json")
