# The overview.
overview-unreadable = The storage cannot be read. The log says more.

attention-title = What needs attention
attention-good = all well
attention-nothing = Nothing needs attention.
attention-bad = trouble
attention-warn = look at this
attention-no-client-key = There is no client key, so nobody can ask for a video.
attention-make-key = Make a key
attention-no-tokens = { $pool } has no tokens.
attention-add-tokens = Add tokens
attention-none-active = { $pool } has no active token, so it makes no videos.
attention-see-tokens = See its tokens
attention-out = { $pool } has too little left for a video.
attention-out-until = { $pool } has too little left for a video until { $time }.
attention-runs-out = { $pool } runs out at { $time } at this pace.
attention-failing = { $failed } of { $of } videos failed within the last hour ({ $share } %).
attention-see-videos = See the videos
attention-unknown = { $n ->
    [one] Of { $count } video that failed within the last hour it is not known
   *[other] Of { $count } videos that failed within the last hour it is not known
  } whether the upstream took it. It may have been billed.
attention-expired = { $n ->
    [one] { $count } token of { $pool } is expired: its upstream refused it too often.
   *[other] { $count } tokens of { $pool } are expired: their upstream refused them too often.
  }
attention-see-expired = See and reset them
attention-cooling = { $n ->
    [one] { $count } token of { $pool } cools for more than another half hour.
   *[other] { $count } tokens of { $pool } cool for more than another half hour.
  }
attention-see-cooling = See them
attention-waiting = { $n ->
    [one] { $count } video waits for a token, for { $time }.
   *[other] { $count } videos wait for a token, the first for { $time }.
  }
attention-see-waiting = See them
attention-below-sent = { $n ->
    [one] { $count } video from { $pool } was less than what its upstream was asked for, within the last hour.
   *[other] { $count } videos from { $pool } were less than what their upstream was asked for, within the last hour.
  } The pool may say that it delivers more than it does.
attention-change-pool = Change the pool
attention-downgraded = { $n ->
    [one] { $count } video was less than asked within the last hour, without being announced.
   *[other] { $count } videos were less than asked within the last hour, without being announced.
  }
attention-fallen-back = { $n ->
    [one] { $count } video was made by a lesser pool within the last hour, for want of tokens.
   *[other] { $count } videos were made by a lesser pool within the last hour, for want of tokens.
  }
attention-restart = Changed, and not in use before the next start: { $keys }.
attention-see-settings = See the settings
attention-given-up = { $n ->
    [one] { $count } webhook was given up within the last day.
   *[other] { $count } webhooks were given up within the last day.
  }
attention-see-webhooks = See the webhooks
attention-nearly-full = Kept videos take { $kept } of { $of }: soon the oldest go before their time.
attention-change-limit = Change the limit

now-title = Now
now-per-minute = videos a minute, over the last five
now-making = in the making
now-waiting = waiting for a token
now-waiting-since = waiting for a token, the first for { $time }
now-hour = ended within the last hour

pools-title = Pools
pools-tokens = Tokens by status
pools-status-active = active
pools-status-cooling = cooling
pools-status-expired = expired
pools-status-disabled = disabled
pools-left = { $left } of { $granted } units left
pools-no-quota = No quota
pools-in-flight = In flight
pools-pace = Spending
pools-a-minute = { $units } units a minute
pools-hour = Videos, last hour
pools-latency = Time for a video
pools-quantiles = p50 { $half }, p95 { $most }

forecast-idle = Nothing was spent lately.
forecast-lasts = { $pool } lasts for the next 24 hours at this pace.
forecast-runs-out = { $pool } runs out at { $time } at this pace.
forecast-out = { $pool } has too little left for a video.
forecast-out-until = { $pool } has too little left for a video until { $time }.

course-title = How videos went
course-range = Range
range-1h = 1 hour
range-24h = 24 hours
range-7d = 7 days
course-label = Within { $range } { $n ->
    [one] { $count } video ended
   *[other] { $count } videos ended
  }: { $courses }. The bars show videos a minute.
course-bar = { $time }: { $courses }
course-none = none
course-comma = {", "}
course-as-asked = as asked
course-upgraded = upgraded
course-fallen-back = fallen back
course-downgraded = downgraded
course-failed = failed
course-as-table = As a table
course-time = From
course-videos = Videos

latency-title = Time from the request to the file
latency-none = No video was delivered in this time.
latency-pool = Pool
latency-videos = Videos with a file
latency-half = p50
latency-most = p95
latency-hint = Half of the videos took p50 at most, 95 of 100 took p95 at most. The figures are off by less than a quarter.
