"""What an ELF file says about itself, for the checks of tests/container/run: no tool has to be installed for it."""

import json
import struct
import zlib

ET_DYN, EM_X86_64 = 3, 62
PT_DYNAMIC, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO = 2, 3, 0x6474E551, 0x6474E552
DT_NEEDED, DT_FLAGS, DT_FLAGS_1 = 1, 30, 0x6FFFFFFB
DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 0x8, 0x1, 0x08000000


class Elf:
    """A 64-bit little-endian one: amd64 or arm64."""

    def __init__(self, data):
        self.data = data
        assert data[:6] == b"\x7fELF\x02\x01", "no 64-bit little-endian ELF file"
        self.kind, self.machine = struct.unpack_from("<HH", data, 16)
        program, section = struct.unpack_from("<QQ", data, 32)
        size, count, section_size, section_count, names = struct.unpack_from("<HHHHH", data, 54)
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, program + i * size) for i in range(count)]
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", data, section + i * section_size) for i in range(section_count)]
        self.names = self.sections[names][4]

    def segment(self, kind):
        return next((s for s in self.segments if s[0] == kind), None)

    def dynamic(self):
        """Tag and value of each entry; none where nothing is left to do at start."""
        segment = self.segment(PT_DYNAMIC)
        return list(struct.iter_unpack("<QQ", self.data[segment[2] : segment[2] + segment[5]])) if segment else []

    def section(self, name):
        for section in self.sections:
            start = self.names + section[0]
            if self.data[start : self.data.index(b"\0", start)] == name.encode():
                return self.data[section[4] : section[4] + section[5]]
        return None

    def packages(self):
        """What cargo auditable wrote into it."""
        section = self.section(".dep-v0")
        return json.loads(zlib.decompress(section))["packages"] if section else []

    def is_static(self):
        return not self.segment(PT_INTERP) and not any(tag == DT_NEEDED for tag, _ in self.dynamic())

    def is_position_independent(self):
        return self.kind == ET_DYN and any(tag == DT_FLAGS_1 and value & DF_1_PIE for tag, value in self.dynamic())

    def is_hardened(self):
        """Relocations read-only and resolved at start, the stack not executable."""
        now = any((t == DT_FLAGS and v & DF_BIND_NOW) or (t == DT_FLAGS_1 and v & DF_1_NOW) for t, v in self.dynamic())
        stack = self.segment(PT_GNU_STACK)
        return now and self.segment(PT_GNU_RELRO) is not None and stack is not None and not stack[1] & 1
