"""Product categories, and the organisation's list of products."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, ProductsRead, ProductsWrite, SessionDep
from app.models.products import ProductCategoryList, ProductCreate, ProductList, ProductPublic, ProductUpdate
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import products

router = APIRouter(tags=["products"])


@router.get(
    "/v1/product-categories",
    response_model=ProductCategoryList,
    summary="List the product categories",
    openapi_extra=IF_NONE_MATCH,
)
async def list_product_categories(request: Request, actor: ProductsRead) -> Response:
    """Life, annuity, health and accident insurance by category and design type, each with its level P1 to P5."""
    return deps.answer_listed(request, products.categories())


@router.get("/v1/products", response_model=ProductList, summary="List the products", openapi_extra=IF_NONE_MATCH)
async def list_products(request: Request, session: SessionDep, actor: ProductsRead) -> Response:
    """What the organisation may sell, retired products included; empty until an administrator adds some."""
    return deps.answer_listed(request, await products.listed(session, actor))


@router.get(
    "/v1/products/{product_id}", response_model=ProductPublic, summary="Read one product", openapi_extra=IF_NONE_MATCH
)
async def get_product(request: Request, session: SessionDep, actor: ProductsRead, product_id: UUID) -> Response:
    """One product with its category, design and level."""
    return deps.answer(request, await products.read(session, actor, product_id))


@router.post(
    "/v1/products",
    status_code=201,
    response_model=ProductPublic,
    summary="Add a product",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_product(session: SessionDep, actor: ProductsWrite, once: OnceDep, data: ProductCreate) -> Response:
    """A product the organisation may sell. Without a level it has that of its category and design."""

    async def make() -> Response:
        document = await products.create(session, actor, data)
        return deps.answer_created(document, f"/v1/products/{document.id}")

    return await once(make)


@router.patch(
    "/v1/products/{product_id}",
    response_model=ProductPublic,
    summary="Change or retire a product",
    openapi_extra=IF_MATCH,
)
async def update_product(
    session: SessionDep, actor: ProductsWrite, product_id: UUID, if_match: IfMatch, data: ProductUpdate
) -> Response:
    """JSON merge patch. Proposals that name the product keep it as it was."""
    return deps.answer_changed(await products.update(session, actor, product_id, if_match, data))
