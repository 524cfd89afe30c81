"""Launches with one wall taken away, so that each attack shows which wall it is that holds it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec

from interpreter.sandbox import Walls
from interpreter.sandbox.seccomp import ALLOW, RETURN
from interpreter.types.walls import Launch, Limits
from tests.conformance.sandbox_world import World

from .field import TELLING

EVERYTHING = struct.pack("<HBBI", RETURN, 0, 0, ALLOW)
"""A filter that refuses nothing."""
Make = Callable[[World, list[str]], Launch]


def walled(backend: str, **changes: Any) -> Make:
    def make(world: World, argv: list[str]) -> Launch:
        environ = {"PATH": "/usr/bin:/bin", **TELLING}
        profile = world.profile(backend, **({"environ": environ} | changes))
        return Walls(profile).launch(argv)

    return make


def without_filter(backend: str) -> Make:
    return lambda world, argv: msgspec.structs.replace(walled(backend)(world, argv), seccomp=EVERYTHING)


def without_words(*words: str) -> Make:
    """bubblewrap without some of its options."""

    def make(world: World, argv: list[str]) -> Launch:
        launch = walled("bubblewrap")(world, argv)
        assert set(words) <= set(launch.argv), "that is no option of this launch"
        end = launch.argv.index("--")
        kept = [word for word in launch.argv[:end] if word not in words]
        return msgspec.structs.replace(launch, argv=(*kept, *launch.argv[end:]))

    return make


def without_protection(world: World, argv: list[str]) -> Launch:
    environ = {"PATH": "/usr/bin:/bin", **TELLING}
    profile = msgspec.structs.replace(world.profile("bubblewrap", environ=environ), protected=())
    return Walls(profile).launch(argv)


def without_limits(world: World, argv: list[str]) -> Launch:
    limits = Limits(memory=None, processes=None, file_size=None, open_files=None)
    launch = walled("bubblewrap", limits=limits)(world, argv)
    return msgspec.structs.replace(launch, rlimits={})


def with_everything_writable(world: World, argv: list[str]) -> Launch:
    profile = world.profile("bubblewrap", environ={"PATH": "/usr/bin:/bin", **TELLING})
    opened = msgspec.structs.replace(profile, writable=(*profile.writable, str(world.top)), hidden=(), protected=())
    return Walls(opened).launch(argv)


def with_the_whole_environment(world: World, argv: list[str]) -> Launch:
    launch = walled("bubblewrap")(world, argv)
    return msgspec.structs.replace(launch, env=TELLING | launch.env)


def without_landlock(world: World, argv: list[str]) -> Launch:
    """Only the filter and the dropped capabilities stay."""
    everything: dict[str, Any] = {"read": [], "write": ["/"], "devices": ["/dev"], "connect": None}
    return msgspec.structs.replace(walled("landlock")(world, argv), landlock=everything)


OPENINGS: dict[str, Make] = {
    "bubblewrap without the filter": without_filter("bubblewrap"),
    "bubblewrap without a network of its own": without_words("--unshare-net"),
    "bubblewrap without shared memory of its own": without_words("--unshare-ipc"),
    "bubblewrap without processes of its own": without_words("--unshare-pid"),
    "bubblewrap without read-only settings": without_protection,
    "bubblewrap without limits": without_limits,
    "bubblewrap with everything writable": with_everything_writable,
    "bubblewrap with the whole environment": with_the_whole_environment,
    "landlock without the filter": without_filter("landlock"),
    "landlock without its rules for files": without_landlock,
}
SHOWS: dict[str, tuple[str, ...]] = {
    "bubblewrap without the filter": (
        "host_of_a_virtual_machine",
        "host_of_a_virtual_machine_with_high_bits",
        "key_left_in_the_session",
        "lent_rights_by_a_node",
        "lent_rights_by_creat",
        "lent_rights_by_fchmodat2",
        "lent_rights_by_openat2",
        "lent_rights_by_the_32_bit_door",
        "lent_rights_with_high_bits",
        "pages_of_its_own_faults",
        "quotas",
        "ring_of_requests",
        "segments_of_its_own",
        "typed_into_a_terminal",
        "typed_into_a_terminal_with_high_bits",
        "watch_over_all_files",
    ),
    "bubblewrap without a network of its own": (
        "networks_of_the_machine",
        "question_to_a_resolver",
        "service_by_a_mapped_address",
        "service_by_another_name_of_loopback",
        "service_by_several_paths_at_once",
        "service_by_the_address_of_nobody",
        "service_by_the_machines_address",
        "service_by_version_six",
    ),
    "bubblewrap without shared memory of its own": (
        "memory_that_is_shared",
        "queue_that_is_shared",
        "queue_that_is_shared_by_name",
        "semaphore_that_is_shared",
    ),
    "bubblewrap without processes of its own": (
        "disk_rank_of_a_process",
        "handle_of_a_process",
        "limits_of_a_process",
        "processors_of_a_process",
        "rank_of_a_process",
        "rank_of_a_group_of_processes",
        "signal_by_a_handle",
        "signal_to_a_thread",
        "signal_to_the_group_of_the_tool",
        "signal_with_a_value",
        "turn_of_a_process",
    ),
    "bubblewrap without read-only settings": (
        "git_settings_by_a_second_name",
        "git_settings_by_a_way_through_proc",
        "git_settings_replaced",
        "settings_of_the_tool_exchanged",
    ),
    "bubblewrap without limits": (
        "core_of_itself_with_the_secrets",
        "descriptor_of_a_high_number",
        "file_of_any_size_behind_a_hole",
        "file_of_any_size_by_reserving",
        "threads_instead_of_processes",
    ),
    "bubblewrap with everything writable": (
        "dots_after_the_parent_moved",
        "environment_that_later_programs_load",
        "exchange_with_a_file_outside",
        "flags_of_a_file_that_is_only_read",
        "folder_that_the_person_moves_away",
        "key_by_a_nameless_descriptor",
        "label_on_a_file_outside",
        "link_in_the_home_inside",
        "link_in_the_temporary_folder",
        "link_swapped_while_it_is_used",
        "link_that_was_there_before",
        "nameless_file_named_outside",
        "pipe_made_outside",
        "program_that_lies_outside",
        "second_name_for_a_key",
        "second_name_for_what_is_read",
        "socket_made_outside",
        "times_of_a_file_outside",
        "watch_a_folder_outside",
        "working_folder_moved_as_a_whole",
        "write_by_a_descriptor_that_reads",
    ),
    "bubblewrap with the whole environment": (
        "keys_named_as_nothing_special",
        "sockets_named_in_the_environment",
        "what_is_loaded_into_programs",
    ),
    "landlock without the filter": (
        "agent_of_keys",
        "any_namespace_as_its_root",
        "bus_of_the_system",
        "disk_rank_of_a_process",
        "engine_of_containers",
        "limits_of_a_process",
        "memory_that_is_shared",
        "namespace_by_the_newer_clone",
        "queue_that_is_shared",
        "question_to_a_resolver",
        "rank_of_a_process",
        "rank_of_a_group_of_processes",
        "screen_server",
        "semaphore_that_is_shared",
        "socket_of_the_keeper",
        "turn_of_a_process",
    ),
    "landlock without its rules for files": (
        "exchange_with_a_file_outside",
        "first_to_be_ended",
        "key_by_a_nameless_descriptor",
        "link_swapped_while_it_is_used",
        "memory_that_is_shared_by_name",
        "program_that_lies_outside",
        "root_of_every_process",
    ),
}
"""What then comes through for an ordinary user, although all other walls stand."""
