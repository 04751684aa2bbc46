"""Writes what TCP connections on an interface say to each other, as it is on the wire, to a file; the order is that of the packets. Started by CapturedWire."""
import socket
import struct
import sys

interface, path = sys.argv[1:3]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
wire.bind((interface, 0))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
print("capturing", flush=True)
with open(path, "wb", buffering=0) as out:
    while True:
        frame = wire.recv(1 << 17)
        kind = struct.unpack("!H", frame[12:14])[0]
        if kind == 0x0800 and frame[23] == 6:
            start = 14 + (frame[14] & 15) * 4
            end = 14 + struct.unpack("!H", frame[16:18])[0]
        elif kind == 0x86DD and frame[20] == 6:
            start = 54
            end = 54 + struct.unpack("!H", frame[18:20])[0]
        else:
            continue
        out.write(frame[start + (frame[start + 12] >> 4) * 4 : end])
