"""keyaudit watches the API keys of Runtype accounts."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # imported late: looking the version up costs as much as all the rest of --help
    from importlib.metadata import version

    return version("keyaudit")
