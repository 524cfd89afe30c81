"""Recordings of runs: what was asked, answered, judged and observed, so that the same run can be gone through again."""
