"""Whether a webhook is genuine, in the eyes of the openai package.

Reads {"secret", "headers", "body"} as JSON from standard input; prints one JSON line, and ends with 0 or 1.
"""

import json
import sys

from openai import InvalidWebhookSignatureError, OpenAI

received = json.load(sys.stdin)
client = OpenAI(api_key="not used", webhook_secret=received["secret"])
try:
    event = client.webhooks.unwrap(received["body"], received["headers"])
    print(json.dumps({"ok": True, "type": event.type}))
except InvalidWebhookSignatureError as error:
    print(json.dumps({"ok": False, "error": str(error)}))
    sys.exit(1)
