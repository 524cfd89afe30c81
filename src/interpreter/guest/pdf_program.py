"""Reads a PDF inside walls of its own: its text as one line of JSON for each page. Runs in the tool's own Python,
for the sake of pypdf; sees nothing but that and the document.
"""

import json
import resource
import sys

MEMORY = 1 << 30
SECONDS = 25
LONGEST = 200_000
"""Characters of one page."""


def main(request):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.path[:0] = request["path"]
    try:
        reader = __import__("pypdf").PdfReader(request["file"])
        for number, page in enumerate(reader.pages[: request["pages"]], 1):
            text = page.extract_text() or ""
            print(json.dumps({"page": number, "text": text[:LONGEST]}), flush=True)
    except MemoryError:
        print(json.dumps({"error": "it needs more than %d MB of memory" % (MEMORY >> 20)}))
    except Exception as error:  # whatever a broken file makes of that library
        print(json.dumps({"error": "%s: %s" % (type(error).__name__, str(error)[:200])}))


main(json.loads(sys.argv[1]))
