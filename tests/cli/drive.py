"""The real command line over the played session: `python drive.py ARGUMENTS`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from interpreter.cli.door import run
from tests.cli.fake import open_fake

if __name__ == "__main__":
    code = run(sys.argv[1:], open_fake)
    if path := os.environ.get("DRIVE_MODULES"):
        Path(path).write_text("\n".join(sorted(sys.modules)))
    sys.exit(code)
