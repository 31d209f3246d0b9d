"""The application: routers, error handlers, the ASGI shell, and what opens and closes with the process."""

import gc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from app import callers, deps, handlers, keyring, openapi, passwords, reads, runtime, shared_counts
from app.config import Settings, get_settings
from app.express import Express
from app.guard import Guard
from app.limits import WINDOW_SECONDS, RateLimit
from app.logs import RequestLog, configure_logging
from app.routers import (
    access_logs,
    audit_events,
    auth,
    companies,
    consent_texts,
    consents,
    coverages,
    customers,
    departures,
    dossiers,
    fact_definitions,
    form_responses,
    forms,
    influences,
    introductions,
    invitations,
    kin,
    legal_holds,
    needs_analyses,
    needs_calculations,
    needs_what_ifs,
    network_paths,
    networks,
    organizations,
    partners,
    path_requests,
    prefills,
    products,
    proposals,
    recommendations,
    relation_types,
    relationship_interactions,
    relationships,
    relationships_bulk,
    rights_requests,
    sales_rules,
    service,
    shadow_contacts,
    tasks,
    teams,
    tolerance_assessments,
    users,
)
from app.services import sessions
from app.undeclared import refuse_body

# Matching is linear: the routers a phone asks most come first, and one include level is enough.
_ROUTERS = (
    customers,
    networks,
    network_paths,
    path_requests,
    kin,
    coverages,
    recommendations,
    companies,
    relationships,
    relationship_interactions,
    relationships_bulk,
    shadow_contacts,
    dossiers,
    form_responses,
    needs_calculations,
    needs_analyses,
    needs_what_ifs,
    introductions,
    tasks,
    relation_types,
    forms,
    auth,
    users,
    departures,
    teams,
    invitations,
    organizations,
    audit_events,
    influences,
    partners,
    prefills,
    service,
    products,
    sales_rules,
    tolerance_assessments,
    proposals,
    consents,
    consent_texts,
    fact_definitions,
    access_logs,
    rights_requests,
    legal_holds,
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with (
        runtime.opened(settings) as ring,
        shared_counts.opened(settings.redis_address(), seconds=WINDOW_SECONDS),
    ):
        await reads.with_connection(lambda connection: keyring.load_signing_keys(connection, ring))
        sessions.passwords()
        passwords.load_list()
        worker, sealer = _jobs(settings), _sealer(settings)
        # What exists now lives as long as the process: take it out of every later collection (see DECISIONS.md).
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        try:
            async with worker, sealer:
                yield
        finally:
            deps.forget_actors()


def _jobs(settings: Settings) -> AbstractAsyncContextManager[None]:
    """A worker for background jobs, unless they are carried out elsewhere."""
    if settings.jobs == "off":
        return nullcontext()
    from app import jobs  # here: who carries out none need not load the queue

    return jobs.inside(settings)


def _sealer(settings: Settings) -> AbstractAsyncContextManager[None]:
    """Sealing of the audit trail every minute, where this process was given the sealer's role."""
    if settings.sealer_database_url is None:
        return nullcontext()
    from app import sealing  # here: elsewhere a command does it

    return sealing.inside(settings.sealer_database_url)


def create_api(settings: Settings) -> FastAPI:
    """The FastAPI application without its shell: what the OpenAPI document describes."""
    app = FastAPI(
        title="Renmai",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None if settings.is_production else "/openapi.json",
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.state.settings = settings
    handlers.install(app)
    for module in _ROUTERS:
        app.include_router(module.router, dependencies=[Depends(refuse_body)])
    openapi.install(app)
    if not settings.is_production:
        openapi.serve_docs(app)
    return app


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The whole service as uvicorn runs it."""
    settings = settings or get_settings()
    configure_logging(settings.log_level)
    return wrap(create_api(settings), settings)


def _express_routes() -> list[APIRoute]:
    """The reads a phone repeats all day."""
    names = ("get_customer", "list_customers", "get_network")
    routes = [route for module in (customers, networks) for route in module.router.routes]
    return [route for name in names for route in routes if isinstance(route, APIRoute) and route.name == name]


def wrap(api: FastAPI, settings: Settings) -> ASGIApp:
    """The shell every request passes first: log and id, rate limit, guard, express lane.

    The limit comes before the guard, which reads and parses whole bodies: that is work too.
    """
    hosts = frozenset(part.strip().lower() for part in settings.allowed_hosts.split(",") if part.strip())
    proxies = frozenset(part.strip() for part in settings.trusted_proxies.split(",") if part.strip())
    return RequestLog(
        RateLimit(
            Guard(
                Express(api, _express_routes(), handlers.answerer(api)),
                allowed_hosts=None if "*" in hosts else hosts,
                body_seconds=settings.body_seconds,
            ),
            per_minute=settings.rate_limit,
            identify=callers.identify,
            secret=callers.secret,
            shared=shared_counts.current,
        ),
        trusted_proxies=proxies,
    )
