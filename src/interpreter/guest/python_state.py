"""Part `state` of the Python driver: saves go to a child that nobody waits for; a restore is read before anything runs.

The child is forked twice, so that no program of the user's ever meets it. What it needs is loaded here while nobody
waits, before the first execution where there is such a time; else the child does it.
"""

import os
import sys
import warnings

driver = globals().get("driver")
PARTS = ("state_values", "state_pickle", "state_save", "state_facts")
DUCKDB = (
    "WITH kept AS (SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL) "
    "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND database_name NOT IN (FROM kept) UNION ALL "
    "SELECT view_name FROM duckdb_views() WHERE NOT internal AND database_name NOT IN (FROM kept) LIMIT 100"
)
SQLITE = (
    "SELECT name FROM (SELECT name, type FROM sqlite_master UNION ALL SELECT name, type FROM sqlite_temp_master) "
    "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!' LIMIT 100"
)
HEAVY = ("json", "pickle", "hashlib", "marshal", "faulthandler")


def save(frame):
    """Begin a save of what there is now. Returns when the child is on its way."""
    facts = {"threads": threads(), "random": random_state(), "tables": tables()}
    try:
        with warnings.catch_warnings():
            # From Python 3.12 on a fork beside other threads warns; our child touches nothing that they hold.
            warnings.simplefilter("ignore")
            middle = os.fork()
    except OSError as error:
        tell(frame, "no process could be made for it: %s" % error)
        return
    if middle == 0:
        try:
            if os.fork() == 0:
                driver.part("state_save")["run"](frame, facts)
        except OSError as error:
            tell(frame, "no process could be made for it: %s" % error)
        finally:
            os._exit(0)
    while True:
        try:
            os.waitpid(middle, 0)
            break
        except KeyboardInterrupt:
            continue
        except OSError:
            break
    prepare()


def prepare():
    """Load here, while nobody waits, what every child needs."""
    for work, names in ((__import__, HEAVY), (driver.part, PARTS)):
        for name in names:
            if driver.waiting():
                return
            work(name)


def tell(frame, why):
    """The save failed."""
    try:
        os.write(driver.state, frame["id"].encode() + b"f" + why.encode("utf-8", "replace")[:2000])
    except OSError:
        pass


def threads():
    """Names of the user's threads, which no fork brings along."""
    threading = sys.modules.get("threading")
    if threading is None:
        return []
    own = (threading.main_thread(), threading.current_thread())
    return [thread.name for thread in threading.enumerate() if thread not in own][:50]


def tables():
    """Names of tables and views in the memory of a database, which no fork can ask for."""
    try:
        duckdb = sys.modules.get("duckdb")
        if duckdb is not None:
            asked = duckdb.connect(":default:").cursor().execute(DUCKDB).fetchall()
        elif type(driver.namespace.get("_sql")).__module__ == "sqlite3":
            asked = driver.namespace["_sql"].execute(SQLITE).fetchall()
        else:
            return []
        return [str(name) for (name,) in asked]
    except Exception:
        return []


def random_state():
    """Taken before the fork, after which the module seeds itself anew."""
    random = sys.modules.get("random")
    try:
        return random.getstate() if random else None
    except Exception:
        return None


def restore(frame):
    """Take the state that the keeper sends, and tell what could not be loaded."""
    try:
        report = driver.part("state_load")["run"](frame)
    except BaseException as error:
        report = {"names": 0, "missing": [], "error": "%s: %s" % (type(error).__name__, error)}
    driver.send(dict(report, op="restored", id=frame["id"]))
