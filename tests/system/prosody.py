"""Prosody, a server that nobody here wrote, in a namespace of the test's network; and an authority that signs certificates for both sides."""

import asyncio
import ssl
import subprocess

from .waiting import eventually

DOMAIN = "prosody.example"
ROOMS = f"muc.{DOMAIN}"

CONFIGURATION = """
daemonize = false
run_as_root = true
pidfile = "{directory}/prosody.pid"
data_path = "{directory}/data"
log = {{ debug = "{directory}/log" }}
interfaces = {{ "{address}" }}
s2s_direct_tls_ports = {{ 5270 }}
modules_enabled = {{
  "roster", "saslauth", "tls", "dialback", "disco", "ping", "version", "pep", "s2s_bidi", "carbons", "mam",
}}
modules_disabled = {{ "posix" }}
authentication = "internal_plain"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = {secure}
ssl = {{ certificate = "{directory}/cert.pem", key = "{directory}/key.pem", cafile = "{authority}" }}
VirtualHost "{domain}"
Component "{rooms}" "muc"
  modules_enabled = {{ "muc_mam" }}
"""


class Authority:
    """Who signs certificates."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate = directory / "authority.pem"
        self.key = directory / "authority-key.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=test authority", "-keyout", self.key, "-out", self.certificate)  # fmt: skip

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(("openssl", *map(str, arguments)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl {arguments}: {done.stderr}")

    def sign(self, directory, *domains, known=True):
        """Makes cert.pem and key.pem for these domains; with `known` false signed by nobody but themselves."""
        names = ",".join(f"DNS:{domain}" for domain in domains)
        signer = ("-CA", self.certificate, "-CAkey", self.key) if known else ()
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={domains[0]}", "-addext", f"subjectAltName={names}",
                     "-addext", "basicConstraints=critical,CA:FALSE", *signer,
                     "-keyout", directory / "key.pem", "-out", directory / "cert.pem")  # fmt: skip


class Prosody:
    """One server."""

    def __init__(self, network, name, directory, authority, certified=True):
        self.network = network
        self.name = name
        self.address = network.addresses[name]
        self.directory = directory / name
        self.directory.mkdir()
        (self.directory / "data").mkdir()
        authority.sign(self.directory, DOMAIN, ROOMS, known=certified)
        self.authority = authority
        self.certified = certified
        self.process = None
        self.configuration = self.directory / "prosody.cfg.lua"
        text = CONFIGURATION.format(
            directory=self.directory,
            address=self.address,
            authority=authority.certificate,
            secure=str(certified).lower(),
            domain=DOMAIN,
            rooms=ROOMS,
        )
        self.configuration.write_text(text, encoding="utf-8")

    def inside(self, *command):
        return [*self.network.inside(self.name), "setpriv", "--pdeathsig", "KILL", *command]

    def register(self, user, password):
        """Makes an account."""
        command = self.inside("prosodyctl", "--config", str(self.configuration), "register", user, DOMAIN, password)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"prosodyctl: {done.stdout}{done.stderr}")

    async def start(self):
        with (self.directory / "output").open("ab") as output:
            command = self.inside("prosody", "--config", str(self.configuration))
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

        async def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"Prosody ended by itself: {(self.directory / 'output').read_text()}")
            for port in (5222, 5269):
                _, writer = await asyncio.open_connection(self.address, port)
                writer.close()
            return True

        await eventually(ready, "Prosody does not come up")

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def trusted(self):
        """TLS of clients that know the authority."""
        file = self.authority.certificate if self.certified else self.directory / "cert.pem"
        return ssl.create_default_context(cafile=file)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
