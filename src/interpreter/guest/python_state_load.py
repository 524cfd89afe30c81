"""Part `state_load` of the Python driver: takes a checkpoint from the state channel and loads it, before anything runs."""

import builtins
import io
import json
import os
import pickle
import sys

driver = globals().get("driver")
values = driver.part("state_values")
facts = driver.part("state_facts")
HEAD = 21
RECORD = 65536
INSIDE = 1 << 20
"""Bytes up to which a blob is held for more than the next group."""


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module == values["HERE"]:
            return values["HELPERS"][name]
        if module == "__main__":
            return driver.namespace[name]
        return super().find_class(module, name)


class Load:
    def __init__(self, frame):
        self.head = frame["id"].encode()
        self.count = 0
        self.lost = []
        self.blobs = {}
        self.uses = {}
        self.record = bytearray(RECORD + 1)

    def miss(self, name, kind, reason):
        self.lost.append({"name": str(name)[:200], "type": str(kind)[:200], "reason": str(reason)[:300]})

    def next(self):
        """Kind and payload of the next record of this restore. Raises EOFError."""
        while True:
            size = os.readv(driver.state, [self.record])
            if size == 0:
                raise EOFError("the keeper has ended it")
            if self.record[: HEAD - 1] == self.head:
                kind, payload = bytes(self.record[HEAD - 1 : HEAD]), memoryview(self.record)[HEAD:size]
                if kind == b"f":
                    raise EOFError(bytes(payload).decode("utf-8", "replace"))
                return kind, payload

    def blob(self, header):
        """The blob that begins now, in memory that can be changed; its name. It is checked when this returns."""
        size, at = header["size"], 0
        data = bytearray(size)
        view = memoryview(data)
        while True:
            kind, payload = self.next()
            if kind == b"e":
                if at != size:
                    raise EOFError("a blob that is not whole")
                self.blobs[header["sha256"]] = data
                return
            view[at : at + len(payload)] = payload
            at += len(payload)

    def run(self):
        contents = bytearray()
        kind, payload = self.next()
        while kind == b"m":
            contents += payload
            kind, payload = self.next()
        groups = json.loads(contents.decode("utf-8", "surrogatepass"))["groups"] if contents else []
        for group in groups:
            for name in {group["blob"], *group["buffers"]}:
                self.uses[name] = self.uses.get(name, 0) + 1
        for group in groups:
            while not all(name in self.blobs for name in (group["blob"], *group["buffers"])):
                if kind != b"b":
                    raise EOFError("a blob is missing")
                self.blob(json.loads(bytes(payload)))
                kind, payload = self.next()
            self.load(group)
            for name in {group["blob"], *group["buffers"]}:
                self.uses[name] -= 1
                if not self.uses[name]:
                    del self.blobs[name]
        facts["finish"]()
        return {"names": self.count, "missing": self.lost}

    def load(self, group):
        data = memoryview(self.blobs[group["blob"]])[group["at"] : group["at"] + group["size"]]
        # What two groups name must not become one memory.
        buffers = [self.blobs[n] if self.uses[n] == 1 else bytearray(self.blobs[n]) for n in group["buffers"]]
        if len(set(group["buffers"])) < len(buffers):
            buffers = [bytearray(self.blobs[name]) for name in group["buffers"]]
        try:
            loaded = Unpickler(io.BytesIO(data), buffers=buffers).load()
            if group["format"] == "fact":
                self.count += facts["apply"](*loaded, self.miss)
                return
            for name, value in zip(group["names"], loaded):
                if name == "builtins._":
                    builtins._ = value
                else:
                    driver.namespace[name] = value
                    self.count += 1
        except BaseException as error:
            for name in group["names"]:
                self.miss(name, "", "%s: %s" % (type(error).__name__, error))


def run(frame):
    driver.afterwards, driver.restored = [], {}
    load = Load(frame)
    report = load.run()
    for name, (execution, seconds) in driver.restored.items():
        if name in driver.namespace:
            driver.made[name] = (id(driver.namespace[name]), execution, seconds)
    if "linecache" in sys.modules:
        driver.fill(sys.modules["linecache"])
    return report
