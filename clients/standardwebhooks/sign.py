"""A webhook as the text of Standard Webhooks wants it, made without any package.

Prints {"secret", "headers", "body"} as JSON: what verify.py and its siblings read.
"""

import base64
import hashlib
import hmac
import json
import time

key = b"a key that both sides know: 32 b"
body = json.dumps({"id": "evt_1", "object": "event", "type": "video.completed", "data": {"id": "video_1"}})
headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(time.time()))}
signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}"
digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
print(json.dumps({"secret": "whsec_" + base64.b64encode(key).decode(), "headers": headers, "body": body}))
