"""Every error that this package raises on purpose, as one tree.

InterpreterError                      what a person is told: a sentence, and what to do next
├── UsageError                        wrong arguments (exit 2)
│   └── ConfigError                   a wrong setting: file, line, nearest valid name (exit 2)
│       └── PolicyError               a policy file that cannot be understood, or may not count (exit 2)
├── ModelError                        no usable answer from the model's server (exit 6)
│   ├── ModelUnreachable              nothing answers, or the connection broke before an answer
│   ├── ModelAuthRefused              401, 403
│   ├── ModelUnknown                  the server has no model of that name
│   ├── ContextExceeded               the request is larger than the model's window
│   ├── RateLimited                   429
│   ├── ServerFault                   5xx, an error inside the stream, a stream that breaks off
│   ├── MalformedAnswer               an answer that is not the protocol (a web page, an empty body)
│   └── ToolsRefused                  this server does not take `tools`; ask by text instead
├── SandboxUnavailable                no walls where walls were asked for (exit 7)
├── KernelError                       our machinery around a kernel, never the person's program
│   ├── LanguageMissing               the language has no runtime here; says what to install
│   ├── KernelDied                    the kernel ended while it was needed
│   ├── KeeperLost                    the session's keeper is gone or does not answer
│   └── PermitRefused                 code and permit do not belong together
├── StoreError                        the log or a file beside it
│   ├── SessionUnknown                no session of that id
│   ├── SessionBusy                   another process holds the session
│   ├── AlreadyAnswered               a question has its one answer; says who gave it and when
│   └── LogDamaged                    the log cannot be read as it should
├── SkillError                        a skill cannot be found, read or made (exit 2)
├── StageError                        a stage cannot be read or committed; nothing outside it has changed
├── FormatError                       a model's action cannot be read; holds the message for the model
├── ToolError                         a tool could not do what was asked; holds the message for the model
└── Waiting                           an approval is needed and nobody can give it (exit 4)
"""

from __future__ import annotations


class InterpreterError(Exception):
    """A sentence for a person, with the next step.

    Args:
        message: what happened, in the person's language.
        hint: what was kept and what to do next; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(InterpreterError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class PolicyError(ConfigError):
    pass


class ModelError(InterpreterError):
    exit_code = 6
    retryable = False

    def __init__(self, message: str, hint: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None where it does not say."""


class ModelUnreachable(ModelError):
    retryable = True


class ModelAuthRefused(ModelError):
    pass


class ModelUnknown(ModelError):
    pass


class ContextExceeded(ModelError):
    window: int | None = None
    """Tokens of the model's window, where the server says them."""


class RateLimited(ModelError):
    retryable = True


class ServerFault(ModelError):
    retryable = True


class MalformedAnswer(ModelError):
    pass


class ToolsRefused(ModelError):
    pass


class SandboxUnavailable(InterpreterError):
    exit_code = 7


class KernelError(InterpreterError):
    pass


class LanguageMissing(KernelError):
    pass


class KernelDied(KernelError):
    pass


class KeeperLost(KernelError):
    pass


class PermitRefused(KernelError):
    pass


class StoreError(InterpreterError):
    pass


class SessionUnknown(StoreError):
    exit_code = 2


class SessionBusy(StoreError):
    exit_code = 2


class AlreadyAnswered(StoreError):
    exit_code = 2


class LogDamaged(StoreError):
    pass


class SkillError(InterpreterError):
    exit_code = 2


class StageError(InterpreterError):
    pass


class FormatError(InterpreterError):
    """An action that cannot be read.

    `message` goes back to the model as it stands: what was wrong, and exactly what was expected.
    """

    def __init__(self, message: str, hint: str = "", *, call_id: str = "") -> None:
        super().__init__(message, hint)
        self.call_id = call_id
        """The native tool call that could not be read, if it was one."""


class ToolError(InterpreterError):
    """A call of a tool that failed.

    `message` and `hint` go to the model as they stand, in English: what went wrong, and what to try instead.
    """


class Waiting(InterpreterError):
    exit_code = 4
