# Routing.
routing-what-if = What if
routing-what-if-about = Where would such a video go now? Nothing is reserved or sent.
routing-model = Model
routing-resolution = Resolution
routing-seconds = Seconds
routing-mode = Made from
routing-mode-text = text
routing-mode-image = an image
routing-mode-reference = reference images
routing-mode-edit = a video, edited
routing-mode-extend = a video, extended
routing-on-shortage = On shortage
routing-on-shortage-fallback = fall back
routing-on-shortage-fail = fail
routing-on-shortage-wait = wait
routing-short = As if there were no token in
routing-ask = Show
routing-order = Order of the pools
routing-order-about = The pools in the order in which they are tried.
routing-column-pool = Pool
routing-column-route = Route
routing-column-sent = Would be asked for
routing-column-outcome = Outcome
routing-route-primary = primary
routing-route-upgrade = upgrade
routing-route-fallback = fallback
routing-route-none = cannot deliver
routing-chosen = Chosen.
routing-not-needed = Not needed: a pool before it has a token.
routing-assumed = (assumed for this answer)
routing-answer-primary = { $asked } with { $model } goes to { $pool }, as asked.
routing-answer-upgrade = { $asked } with { $model } goes to { $pool }: an upgrade to a stronger pool than needed.
routing-answer-fallback = { $asked } with { $model } goes to { $pool }: a fallback, which is asked for { $sent }.
routing-answer-token = Token now:
routing-answer-none = { $asked } with { $model } gets no token now.
routing-answer-expected = One is expected at
routing-tokens = { $n ->
    [one] 1 token:
   *[other] { $n } tokens:
 }
routing-until = , until {""}
routing-reason-no-tokens = no tokens
routing-reason-out-of-quota = out of quota
routing-reason-cooling = cooling
routing-reason-in-flight = { $limit } in flight, the limit
routing-reason-throttled = at the limit of submissions a minute
routing-reason-disabled = disabled
routing-reason-expired = expired
routing-reason-cannot-deliver = cannot deliver { $form } from { $mode }
routing-reason-fallback-not-allowed = a fallback is not allowed
routing-reason-fallback-not-wanted = the client wants no fallback
routing-reason-upgrade-not-allowed = an upgrade is not allowed
routing-reason-kept-in-reserve = { $left } of { $granted } units left, kept for videos that only it can make

routing-edit = Switches and pools
routing-edit-about = A preview shows what a change would do. Nothing is written before you apply it. Changes are written to
routing-switches = Switches
routing-pool = Pool { $pool }
routing-pool-unused = not in use
routing-field-smart_token_routing = Smart routing
routing-field-allow_upgrade_to_super = Allow upgrades
routing-field-allow_fallback_to_basic = Allow fallbacks
routing-field-log_fallback_warning = Log a warning at each fallback
routing-field-upgrade_reserve = Reserve that upgrades leave (0 to 1)
routing-field-busy_wait = Wait for a busy token before a fallback
routing-field-pools = Pools in use, from weakest to strongest
routing-field-delivers = What it delivers
routing-field-quota_units = Units per token and window
routing-field-quota_window = Window
routing-field-costs = What a video costs
routing-field-max_in_flight = Videos at once per token
routing-field-submits_per_minute = Submissions a minute per token
routing-hint-smart_token_routing = Each video goes to a pool that can deliver it. Off: the pools in order, whatever is asked.
routing-hint-allow_upgrade_to_super = When the first sufficient pool has no token, a stronger one makes the video.
routing-hint-allow_fallback_to_basic = When no sufficient pool has a token, one that delivers less makes the video, and says so.
routing-hint-log_fallback_warning = A WARN line in the log.
routing-hint-upgrade_reserve = The share of a stronger pool's quota that is kept for videos that only it can make.
routing-hint-busy_wait = Such as 20s. 0s: fall back at once.
routing-hint-pools = Names with commas between.
routing-hint-delivers = Choose a resolution in the last row to add one, "remove" to take one away. Modes and models: with commas between; empty for all.
routing-hint-quota_units = 0: no quota.
routing-hint-quota_window = Such as 20h. A unit comes back so long after it was spent.
routing-hint-costs = The first row that fits counts. Empty the units to take a row away.
routing-hint-max_in_flight = 0: no limit.
routing-hint-submits_per_minute = 0: no limit.
routing-column-resolution = Resolution
routing-column-max_seconds = Up to seconds
routing-column-modes = Modes
routing-column-models = Models
routing-column-units = Units
routing-column-units_per_second = Units a second, on top
routing-cell = { $column }, row { $row }
routing-no-row = remove
routing-any = any
routing-fixed-env = Set by the environment variable { $variable }, which is stronger than the file: change it there.
routing-fixed-set = Set by --set on the command line, which is stronger than the file: change it there.
routing-extent = Preview
routing-last = The last videos
routing-preview = Preview
routing-wrong = This cannot be used; what is wrong stands beside each field. Nothing was changed.

routing-preview-title = What this would change
routing-preview-nothing = Nothing is different from what is in use.
routing-preview-no-effect = It would be written, but has no effect: another source is stronger.
routing-preview-videos = { $n ->
    [0] There are no videos to route again
    [one] The last video, routed again
   *[other] The last { $n } videos, routed again
 }
routing-preview-assumed = Both columns are played through in the same way: from the tokens of now that are neither disabled nor expired, each with its whole quota at the first video; every video at its own time, for as long as it took. Nobody waits (busy_wait is left out), no token is blamed, and no other videos are counted.
routing-preview-short = As if there were no token in { $pools }.
routing-preview-changed = { $n } of { $all } go another way.
routing-preview-list = Videos that go another way
routing-preview-more = And { $n } more.
routing-apply = Apply
routing-discard = Discard
routing-summary = Where they go
routing-changes = Settings that change
routing-column-setting = Setting
routing-column-before = Before
routing-column-after = After
routing-column-now = With what is in use
routing-column-draft = With the draft
routing-column-videos = Videos
routing-column-video = Video
routing-column-asked = Asked
routing-same = the same
routing-fate-no-token = no token at once: waits, or is refused
routing-fate-undeliverable = refused: no pool delivers it
routing-fate-no-model = refused: no such model

routing-done-applied = { $n ->
    [0] Applied. No value is different.
    [one] Applied: 1 value is different.
   *[other] Applied: { $n } values are different.
 }
routing-done-undone = { $n ->
    [0] Undone. No value is different.
    [one] Undone: 1 value is different.
   *[other] Undone: { $n } values are different.
 }
routing-undo-title = Undo
routing-undo-about = Undoing the last change would give the file the text that it had before:
routing-undo-same = No value would be different.
routing-undo = Undo the last change
routing-undo-sure = Undo the last change of the configuration?
routing-undo-nothing = There is no change to undo.
routing-undo-changed = The last change cannot be undone: { $file } was changed in another way since, and that would be lost.
routing-undo-problem = The last change cannot be undone:
