"""Which functions of Python start programs, delete, write, read, or reach the network."""

from __future__ import annotations

SHELL = frozenset((
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput",
    "commands.getstatusoutput", "asyncio.create_subprocess_shell", "pexpect.run", "pexpect.spawn", "invoke.run",
    "fabric.run", "posix.system", "nt.system", "IPython.get_ipython().system", "get_ipython().system",
    "get_ipython().getoutput", "get_ipython().system_piped", "get_ipython().system_raw", "local.get_ipython().system",
))  # fmt: skip
"""Their first argument is text for a shell."""
PROGRAM = frozenset((
    "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen",
    "_posixsubprocess.fork_exec", "psutil.Popen", "sh.Command", "multiprocessing.Process().?",
))  # fmt: skip
"""Their first argument is a list of words, or text for a shell with `shell=True`."""
WORDS = frozenset(("asyncio.create_subprocess_exec", "trio.run_process", "anyio.run_process", "os.startfile"))
"""Their arguments are the words."""
EXECS = frozenset(f"os.{name}" for name in (
    "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "spawnl", "spawnle", "spawnlp",
    "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe", "posix_spawn", "posix_spawnp",
)) | {"pty.spawn"}  # fmt: skip
EVALUATES = frozenset(("eval", "exec", "builtins.eval", "builtins.exec", "code.interact", "code.InteractiveInterpreter",
                       "get_ipython().run_cell", "timeit.timeit", "timeit.repeat"))  # fmt: skip
IMPORTS = frozenset(("__import__", "importlib.import_module", "builtins.__import__", "importlib.__import__",
                     "pkgutil.resolve_name", "pydoc.locate"))  # fmt: skip
RUNS_FILES = frozenset(("runpy.run_path", "runpy.run_module", "execfile"))
RUNS_HIDDEN = frozenset(("types.FunctionType", "types.CodeType", "marshal.loads", "marshal.load", "_xxsubinterpreters",
                         "interpreters.run_string", "sys.settrace", "sys.addaudithook"))  # fmt: skip
DELETES = frozenset(("os.remove", "os.unlink", "os.rmdir", "os.removedirs", "send2trash.send2trash", "os.truncate"))
DELETES_TREES = frozenset(
    ("shutil.rmtree", "distutils.dir_util.remove_tree", "setuptools.distutils.dir_util.remove_tree")
)
MOVES = frozenset(("shutil.move", "os.rename", "os.replace", "os.renames"))
COPIES = frozenset(("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "os.link", "os.symlink"))
WRITES = frozenset((
    "os.mkfifo", "os.mknod", "numpy.save", "numpy.savetxt", "numpy.savez", "joblib.dump", "torch.save",
    "urllib.request.urlretrieve", "shutil.make_archive", "os.chmod", "os.chown", "os.lchown", "shutil.chown",
    "sqlite3.connect", "os.utime", "matplotlib.pyplot.savefig", "PIL.Image.save", "cv2.imwrite", "wget.download",
))  # fmt: skip
READS = frozenset(("numpy.load", "numpy.loadtxt", "linecache.getlines", "linecache.getline", "fileinput.input",
                   "io.open_code", "PIL.Image.open", "cv2.imread", "configparser.ConfigParser().read",
                   "dotenv.load_dotenv", "dotenv.dotenv_values", "os.readlink"))  # fmt: skip
OPENS = frozenset(("open", "io.open", "codecs.open", "os.open", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile",
                   "tarfile.open", "io.FileIO", "pathlib.Path().open", "h5py.File", "aiofiles.open"))  # fmt: skip
NETWORK = ("requests.", "httpx.", "urllib.request.", "urllib3.", "aiohttp.", "http.client.", "socket.", "ftplib.",
           "smtplib.", "imaplib.", "telnetlib.", "paramiko.", "websockets.", "websocket.", "fabric.", "pycurl.",
           "xmlrpc.client.", "grpc.", "wget.")  # fmt: skip
NETWORK_HOSTS = frozenset((
    "http.client.HTTPConnection", "http.client.HTTPSConnection", "ftplib.FTP", "ftplib.FTP_TLS", "smtplib.SMTP",
    "smtplib.SMTP_SSL", "imaplib.IMAP4_SSL", "imaplib.IMAP4", "telnetlib.Telnet", "fabric.Connection", "poplib.POP3",
    "poplib.POP3_SSL",
))  # fmt: skip
"""Their first argument is a host."""
PLAIN_CALLS = ("ctypes.", "cffi.", "os.kill", "os.killpg", "os.setuid", "os.setgid", "os.seteuid", "os.setreuid",
               "os.setresuid", "os.chroot", "os.fork", "os.forkpty", "os.mount", "signal.pidfd_send_signal",
               "keyring.get_password", "winreg.", "pyautogui.", "pynput.")  # fmt: skip
"""Calls that rules may name, without paths or hosts."""
PATH_METHODS: dict[str, str] = {
    "unlink": "deletes", "rmdir": "deletes", "write_text": "writes", "write_bytes": "writes", "touch": "writes",
    "read_text": "reads", "read_bytes": "reads", "rename": "moves", "replace": "moves", "symlink_to": "writes",
    "hardlink_to": "writes", "chmod": "writes", "lchmod": "writes",
}  # fmt: skip
SAVING_METHODS = ("save", "savefig", "to_csv", "to_excel", "to_json", "to_parquet", "to_pickle", "to_html",
                  "to_feather",
                  "to_sql", "to_hdf", "to_markdown", "write_html", "write_image", "write_csv", "write_parquet",
                  "extractall", "dump", "tofile", "to_file", "write_json", "sink_parquet")  # fmt: skip
READING = ("pandas.read_", "polars.read_", "polars.scan_", "geopandas.read_", "dask.dataframe.read_",
           "pyarrow.parquet.",
           "imageio.", "soundfile.", "json.load_", "yaml.load_file", "openpyxl.load_workbook")  # fmt: skip
SQL_METHODS = (
    "execute",
    "executescript",
    "executemany",
    "read_sql",
    "read_sql_query",
    "sql",
    "query",
    "exec_driver_sql",
)
MODULES: dict[str, tuple[str, ...]] = {
    "os": (
        "system",
        "popen",
        "remove",
        "unlink",
        "rmdir",
        "removedirs",
        "rename",
        "replace",
        "kill",
        "execv",
        "execvp",
        "execl",
        "execlp",
        "execve",
        "spawnv",
        "spawnl",
        "spawnlp",
        "spawnvp",
        "posix_spawn",
        "fork",
        "getcwd",
        "environ",
        "getenv",
        "path",
        "chmod",
        "chown",
        "truncate",
    ),
    "posix": ("system", "unlink", "remove", "kill"),
    "nt": ("system",),
    "subprocess": ("run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput"),
    "shutil": ("rmtree", "move", "copy", "copy2", "copyfile", "copytree"),
    "pathlib": ("Path", "PurePath", "PosixPath"),
    "builtins": ("eval", "exec", "compile", "open", "__import__", "getattr"),
    "__builtins__": (),
    "importlib": ("import_module", "reload"),
    "sys": ("modules", "executable"),
    "pty": ("spawn",),
    "runpy": ("run_path", "run_module"),
    "ctypes": ("CDLL", "cdll", "pythonapi", "windll", "PyDLL"),
    "commands": ("getoutput", "getstatusoutput"),
    "asyncio": ("create_subprocess_shell", "create_subprocess_exec"),
    "asyncio.subprocess": ("create_subprocess_shell", "create_subprocess_exec"),
    "pexpect": ("run", "spawn"),
    "code": ("interact", "InteractiveInterpreter"),
    "base64": ("b64decode", "b32decode", "b16decode", "b85decode"),
    "codecs": ("decode", "open"),
    "socket": ("socket", "create_connection"),
    "requests": ("get", "post", "put", "delete", "patch", "head", "request", "Session"),
    "httpx": ("get", "post", "put", "delete", "patch", "head", "request", "Client", "AsyncClient", "stream"),
    "urllib.request": ("urlopen", "urlretrieve", "Request"),
    "tempfile": ("mkdtemp", "gettempdir", "TemporaryDirectory", "NamedTemporaryFile"),
    "sh": (),
}
"""Modules whose names are followed, and what `from MODULE import *` brings of interest."""
STARTERS = SHELL | PROGRAM | WORDS | EXECS
"""Functions that start programs: a mention that is not a call is not understood."""
SENSITIVE = frozenset(("os", "posix", "nt", "subprocess", "shutil", "builtins", "pty", "importlib", "ctypes",
"commands",
                       "?", "runpy"))  # fmt: skip
"""Modules of which an attribute whose name cannot be resolved is not understood."""
