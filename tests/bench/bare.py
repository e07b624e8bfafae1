"""The bare handshake: openssl s_time against openssl s_server, no SMTP, no tickets, no resumption."""

import re

from measure import Cpu, Program


class Bare:
    """One run gives the CPU of a handshake on both sides."""

    def __init__(self, bench):
        self.bench = bench
        self.startup = Cpu()
        server, _ = self._server()
        self.startup = server.stop()

    def _server(self):
        certs = self.bench.certs
        server = Program(
            self.bench.log, "openssl", "s_server", "-accept", "127.0.0.1:0", "-www",
            "-cert", certs / "ecdsa.crt", "-key", certs / "ecdsa.key",
            "-cert_chain", certs / "intermediate.crt", "-num_tickets", "0", "-no_cache",
        )  # fmt: skip
        return server, server.line(r"^ACCEPT (\S+)$")

    def run(self):
        """CPU of the server and of the client per handshake; the chain is verified."""
        server, address = self._server()
        client = Program(
            self.bench.log, "openssl", "s_time", "-connect", address, "-new", "-verify", "3",
            "-CAfile", self.bench.certs / "root.crt", "-time", self.bench.bare_seconds,
        )  # fmt: skip
        text = client.rest()
        used = client.end()
        n = int(re.search(r"^(\d+) connections in \d+ real seconds", text, re.M).group(1))
        return server.stop().minus(self.startup).per(n), used.per(n)
