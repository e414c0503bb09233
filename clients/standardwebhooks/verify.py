"""Whether a webhook is genuine, in the eyes of the package standardwebhooks.

Reads {"secret", "headers", "body"} as JSON from standard input; prints one JSON line, and ends with 0 or 1.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

received = json.load(sys.stdin)
try:
    Webhook(received["secret"]).verify(received["body"], received["headers"])
    print(json.dumps({"ok": True}))
except WebhookVerificationError as error:
    print(json.dumps({"ok": False, "error": str(error)}))
    sys.exit(1)
