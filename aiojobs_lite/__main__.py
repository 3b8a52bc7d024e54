"""`python -m aiojobs_lite`: the same as `aiojobs-lite`."""

from aiojobs_lite.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
