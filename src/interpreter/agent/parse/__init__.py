"""What an answer asks for, read tolerantly from whatever a model emits. The rules stand in `answer.py`."""

from .answer import Reading as Reading
from .answer import read_answer as read_answer
