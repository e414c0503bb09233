# 工作室

studio-about = 像任何客户端一样生成一个视频，并看着它完成。它与其他视频一样消耗额度。
studio-prompt = 视频内容
studio-model = 模型
studio-resolution = 分辨率
studio-seconds = 秒数
studio-ratio = 画面比例
studio-shortage = 没有 token 能按请求交付时
studio-max-wait = 最长等待（秒）
studio-caller = 为哪个调用方生成
studio-image = 首帧（可选）
studio-image-file = 文件（PNG、JPEG 或 WebP）
studio-image-url = 或图片地址
studio-image-again = 如果之前选择了文件，请重新选择。
studio-make = 生成视频
studio-check = 先检查
studio-offers = 可以请求什么
studio-last = 工作室最近的视频
studio-where = 现在会去哪里
studio-would-go = 会向 { $pool } 请求 { $sent }。
studio-no-token = 目前没有 token 能生成它。
studio-routing = 查看路由详情
studio-code = 用代码发出同样的请求
studio-code-about = 以下每段代码都会生成这个视频，客户端密钥放在环境变量
studio-copy = 复制
studio-copied = 已复制
