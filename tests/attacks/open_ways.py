"""What a backend cannot hold, and attacks that prove nothing for one user or on one machine. Read by docs/security.md.

The names are those of the attacks in `inside/`.
"""

from __future__ import annotations

import os

BOTH = ("root", "user")
ALL = "a path inside a writable folder cannot be taken out; put back after each step"
MODES = "modes, times and labels are not watched"
OPEN: dict[str, dict[str, dict[str, str]]] = {
    "bubblewrap": {},
    "container": {},
    "landlock": {
        "git_settings_by_a_second_name": dict.fromkeys(BOTH, ALL),
        "git_settings_by_a_way_through_proc": dict.fromkeys(BOTH, ALL),
        "git_settings_replaced": dict.fromkeys(BOTH, ALL),
        "settings_of_the_tool_exchanged": dict.fromkeys(BOTH, ALL),
        "times_of_a_file_outside": dict.fromkeys(BOTH, MODES),
        "label_on_a_file_outside": dict.fromkeys(BOTH, MODES),
        "flags_of_a_file_that_is_only_read": dict.fromkeys(BOTH, MODES),
        "watch_a_folder_outside": dict.fromkeys(BOTH, "names can be seen, contents not"),
        "handle_of_a_process": dict.fromkeys(BOTH, "the host's process table can be read"),
        "processors_of_a_process": {"user": "the person's programs can be moved to other processors"},
    },
}
"""Backend to attack to user to why."""
HERE_STOPPED = {
    "always_its_turn": "needs a share of real time, which control groups may withhold",
    "door_of_the_other_numbers": "most kernels are built without it",
    "last_to_be_ended": "needs the capability to set resources, which root in a container may lack",
    "limits_raised_again": "the same",
    "memory_of_the_machine": "this kernel shows none",
    "module_for_the_kernel": "this kernel takes none",
    "other_kernel": "this kernel takes none",
    "switch_of_the_machine": "this kernel has none",
}
"""What may fail even without walls on the machine where the tests run."""
BY_ROOT_ONLY = (
    "accounting",
    "agent_of_the_control_groups",
    "any_namespace",
    "clock_of_the_machine",
    "copy_of_the_mounts",
    "counters_of_the_processor",
    "device_in_the_working_folder",
    "device_of_file_systems",
    "device_of_messages",
    "device_of_networks",
    "device_of_virtual_machines",
    "file_by_its_handle",
    "file_given_to_somebody_else",
    "file_that_cannot_be_removed",
    "fresh_list_of_processes",
    "handler_of_crashes",
    "layer_over_a_folder",
    "masks_taken_off",
    "messages_of_the_kernel",
    "mount_by_the_newer_calls",
    "name_of_the_machine",
    "network_of_a_process",
    "namespace_of_a_process",
    "other_folder_over_git",
    "other_root",
    "packets_by_hand",
    "packets_of_others",
    "page_at_address_zero",
    "powers_in_a_file",
    "program_in_the_kernel",
    "rank_above_all",
    "read_only_made_writable",
    "read_only_made_writable_by_the_newer_call",
    "restart_of_the_machine",
    "screen_of_the_console",
    "setting_in_sys",
    "swap_on_a_file",
    "way_out_of_the_control_group",
)
"""An ordinary user cannot do these even without walls: the control is root's."""
DEVICES = {"device_of_file_systems": "/dev/fuse", "device_of_networks": "/dev/net/tun"}
"""On many machines these are everybody's."""


def by_root_only_here(attack: str) -> bool:
    device = DEVICES.get(attack, "")
    return attack in BY_ROOT_ONLY and not (os.path.exists(device) and os.stat(device).st_mode & 0o002)


RUNS_LATER = {
    "module_of_the_tools_name": "`python -m interpreter` where an `interpreter.py` lies; the command `interpreter` "
    "does not look there",
    "program_of_the_project": "a script of the project that you start",
    "recipe_of_the_project": "`Makefile` and the like, when you run them",
    "tests_of_the_project": "`conftest.py` and all of the project's code, when you run it",
}
"""What the code may write because that is its work, and what runs when the person runs the project."""
