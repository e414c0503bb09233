"""Holds every operation of a gateway's description against the gateway.

Reads {"url", "key", "admin_key"} as JSON. Ends with 1 when something differs from the description, after saying what.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# They take away what the other operations need, so they come last: the key of this run, and the tokens.
LAST = ["revokeKey", "disableToken", "removeToken"]

gateway = json.load(sys.stdin)
environment = os.environ | {"FILMGATE_KEY": gateway["key"], "FILMGATE_ADMIN_KEY": gateway["admin_key"]}
config = pathlib.Path(__file__).resolve().with_name("schemathesis.toml")


def run(chosen):
    command = [pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", config]
    command += ["run", gateway["url"] + "/openapi.json", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", "15", "--seed", "1", "--generation-database", "none", "--continue-on-failure"]
    command += ["--request-timeout", "60", "--no-color", *chosen]
    # What it leaves behind is of no use to anybody.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL).returncode


others = [option for name in LAST for option in ("--exclude-operation-id", name)]
these = [option for name in LAST for option in ("--include-operation-id", name)]
sys.exit(max(run(others), run(these)))
