# 概览页。
overview-unreadable = 存储无法读取，详见日志。

attention-title = 需要关注
attention-good = 一切正常
attention-nothing = 没有需要处理的事项。
attention-bad = 故障
attention-warn = 注意
attention-no-client-key = 还没有客户端密钥，任何人都无法请求视频。
attention-make-key = 创建密钥
attention-no-tokens = { $pool } 中没有 Token。
attention-add-tokens = 添加 Token
attention-none-active = { $pool } 没有可用的 Token，无法生成视频。
attention-see-tokens = 查看其 Token
attention-out = { $pool } 剩余额度不足以生成一个视频。
attention-out-until = { $pool } 剩余额度不足以生成一个视频，预计 { $time } 恢复。
attention-runs-out = 按当前速度，{ $pool } 将在 { $time } 用尽。
attention-failing = 最近一小时 { $of } 个视频中有 { $failed } 个失败（{ $share }%）。
attention-see-videos = 查看视频
attention-unknown = { $n ->
   *[other] 最近一小时失败的视频中，有 { $count } 个不知道上游是否已接收，可能已经计费。
  }
attention-expired = { $n ->
   *[other] { $pool } 有 { $count } 个 Token 已失效：上游多次拒绝。
  }
attention-see-expired = 查看并重置
attention-cooling = { $n ->
   *[other] { $pool } 有 { $count } 个 Token 还要冷却半小时以上。
  }
attention-see-cooling = 查看
attention-waiting = { $n ->
   *[other] { $count } 个视频在等待 Token，最久的已等 { $time }。
  }
attention-see-waiting = 查看
attention-below-sent = { $n ->
   *[other] 最近一小时 { $pool } 有 { $count } 个视频低于向上游请求的规格。该池声明的能力可能高于实际。
  }
attention-change-pool = 修改池
attention-downgraded = { $n ->
   *[other] 最近一小时有 { $count } 个视频低于请求的规格，且事先没有告知。
  }
attention-fallen-back = { $n ->
   *[other] 最近一小时有 { $count } 个视频因缺少 Token 而由较弱的池生成。
  }
attention-restart = 已修改、重启后才生效的设置：{ $keys }。
attention-see-settings = 查看设置
attention-given-up = { $n ->
   *[other] 最近一天有 { $count } 个 Webhook 已放弃投递。
  }
attention-see-webhooks = 查看 Webhook
attention-nearly-full = 保存的视频已占用 { $kept } / { $of }，最旧的视频很快会提前删除。
attention-change-limit = 修改上限

now-title = 当前
now-per-minute = 个视频/分钟（最近五分钟）
now-making = 生成中
now-waiting = 等待 Token
now-waiting-since = 等待 Token，最久的已等 { $time }
now-hour = 最近一小时结束

pools-title = 池
pools-tokens = 各状态的 Token
pools-status-active = 可用
pools-status-cooling = 冷却中
pools-status-expired = 已失效
pools-status-disabled = 已停用
pools-left = 剩余 { $left } / { $granted } 单位
pools-no-quota = 无额度限制
pools-in-flight = 生成中
pools-pace = 消耗速度
pools-a-minute = 每分钟 { $units } 单位
pools-hour = 最近一小时的视频
pools-latency = 视频耗时
pools-quantiles = p50 { $half }，p95 { $most }

forecast-idle = 最近没有消耗。
forecast-lasts = 按当前速度，{ $pool } 可支撑未来 24 小时。
forecast-runs-out = 按当前速度，{ $pool } 将在 { $time } 用尽。
forecast-out = { $pool } 剩余额度不足以生成一个视频。
forecast-out-until = { $pool } 剩余额度不足以生成一个视频，预计 { $time } 恢复。

course-title = 视频结果
course-range = 时间范围
range-1h = 1 小时
range-24h = 24 小时
range-7d = 7 天
course-label = { $range }内共结束 { $n ->
   *[other] { $count } 个视频
  }：{ $courses }。柱形表示每分钟的视频数。
course-bar = { $time }：{ $courses }
course-none = 无
course-comma = {"，"}
course-as-asked = 符合请求
course-upgraded = 升级
course-fallen-back = 回退
course-downgraded = 降级
course-failed = 失败
course-as-table = 以表格显示
course-time = 起始
course-videos = 视频

latency-title = 从请求到文件的耗时
latency-none = 这段时间没有交付视频。
latency-pool = 池
latency-videos = 已交付的视频
latency-half = p50
latency-most = p95
latency-hint = 一半视频的耗时不超过 p50，95% 不超过 p95。数值误差小于四分之一。
