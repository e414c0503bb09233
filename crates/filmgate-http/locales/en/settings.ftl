# Settings.
settings-parts = Parts of the settings
settings-configuration = Configuration
settings-webhooks = Webhooks
settings-upstreams = Upstreams
settings-audit = Audit trail
settings-find = Show

settings-file = Configuration file
settings-no-file = There is none. Changes would be written to
settings-reload = Read it again
settings-reload-about = Takes what was changed by hand into use. A file with a mistake changes nothing.
settings-undo = Undo the last change
settings-reloaded = { $n ->
    [0] The configuration was read again. No value is different.
    [one] The configuration was read again: 1 value is different.
   *[other] The configuration was read again: { $n } values are different.
 }
settings-not-reloaded = The configuration cannot be used, and the old one stays in use. What is wrong:
settings-restart-pending = Changed, but not in effect before the next start: { $keys }
settings-restart-needed = next start
settings-restart-waits = waits for the next start
settings-sessions = Signed in
settings-signed-in = { $n ->
    [one] 1 browser is signed in.
   *[other] { $n } browsers are signed in.
 }
settings-sign-out-everywhere = Sign out everywhere
settings-sign-out-sure = Sign out every browser, this one too?
settings-versions = Versions
settings-uptime = Running for
settings-database = Database
settings-media = Videos
settings-effective = In effect
settings-filter = Key, value or source
settings-own = Only what is no default
settings-none-found = No setting fits.
settings-column-key = Key
settings-column-value = Value
settings-column-source = Source
settings-source-default = default
settings-source-preset = preset { $name }
settings-source-env = environment { $variable }

settings-audit-about = What operators did, latest first, on this page, by the API or by the command line. Kept for 400 days.
settings-audit-action = Action begins with
settings-audit-subject = Done to
settings-audit-none = There are no such entries.
settings-actor-admin = with the admin key
settings-column-time = Time
settings-column-action = Action
settings-column-subject = Done to
settings-column-detail = Detail
settings-column-via = By
settings-via-page = page
settings-via-api = API
settings-newest = Latest
settings-older = Older

settings-upstreams-about = A check asks an upstream once with each of its tokens (at most 20), and makes no video.
settings-no-upstream = There is no such upstream.
settings-base-url = Address
settings-dialect = Dialect
settings-proxy = Proxy
settings-pools = Pools
settings-check = Check
settings-check-no-tokens = It has no tokens that could be checked.
settings-checked = { $good } of { $all } answered well.
settings-column-token = Token
settings-column-answer = Answer
settings-accepted = credential accepted
settings-reachable = reachable; nothing tells whether it takes the credential

settings-addresses = Addresses
settings-addresses-about = Where each caller is told that its videos ended. Every message is signed with the caller's secret.
settings-no-callers = There are no callers. A client key makes one.
settings-url = Address
settings-set = Save
settings-created = Made
settings-rotated = Secret renewed
settings-previous-until = the secret before signs as well until
settings-test = Send a test
settings-rotate = New secret
settings-make-secret = Make a secret
settings-remove = Remove
settings-remove-sure = Remove address and secret? What was not delivered is given up.
settings-no-webhook = No address and no secret so far.
settings-webhook-is-set = The address is saved.
settings-webhook-removed = Address and secret are removed.
settings-webhook-retried = It is sent again as soon as there is room.
settings-webhook-tested = The test for { $caller } was delivered: { $status }
settings-webhook-test-failed = The test for { $caller } was not delivered: { $error }
settings-secret = Secret of { $caller }
settings-secret-once = It is shown this once. Give it to whoever receives the messages.
settings-secret-before = The one before signs as well for a day.
settings-copy = Copy
settings-copied = Copied
settings-deliveries = Deliveries
settings-no-deliveries = There are no such deliveries.
settings-all = all
settings-caller = Caller
settings-state = State
settings-state-pending = pending
settings-state-delivered = delivered
settings-state-given_up = given up
settings-column-video = Video
settings-column-caller = Caller
settings-column-url = Address
settings-column-state = State
settings-column-tries = Tries
settings-column-error = Last error
settings-column-next = Next try
settings-column-retry = Again
settings-retry = Send again
