"""Settings as validated, immutable data."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Base of every settings model: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical(self) -> "Config":
        """Return the settings that stand for all those that mean the same as these."""
        return self


def operational(default: Any, **constraints: Any) -> Any:
    """Declare a field that changes how a phase runs but not what it computes.

    Such fields (loader workers, logging) take no part in a stage's key.

    Args:
        default: The field's default value.
        constraints: Passed on to pydantic's `Field` (`ge`, `le`, ...).
    """
    return Field(default, json_schema_extra={"operational": True}, **constraints)


def added(default: Any, **constraints: Any) -> Any:
    """Declare a field that is younger than identities that are in use.

    Its default leaves what it belongs to as it was before, so that the identity stays, too.

    Args:
        default: The field's default value.
        constraints: Passed on to pydantic's `Field` (`ge`, `le`, ...).
    """
    return Field(default, json_schema_extra={"added": True}, **constraints)


def identity_settings(config: Config) -> dict[str, Any]:
    """Return what identifies a computation, as JSON data.

    Operational fields are left out, added ones at their defaults too, and settings that mean the
    same are the same.
    """
    config = config.canonical()
    settings: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        extra = field.json_schema_extra
        value = getattr(config, name)
        if isinstance(extra, dict) and (
            extra.get("operational") or (extra.get("added") and value == field.default)
        ):
            continue
        if isinstance(value, Config):
            settings[name] = identity_settings(value)
        else:
            settings[name] = config.model_dump(mode="json", include={name})[name]
    return settings
