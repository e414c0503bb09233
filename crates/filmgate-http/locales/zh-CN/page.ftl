# 每个页面的外框。
nav-label = 页面
nav-overview = 概览
nav-tokens = Token
nav-videos = 视频
nav-routing = 路由
nav-studio = 工作室
nav-clients = 客户端
nav-settings = 设置
nav-skip = 跳到正文
nav-sign-out = 退出登录
nav-api = API 说明
nav-language = 语言
nav-theme = 配色
theme-auto = 自动
theme-light = 浅色
theme-dark = 深色
nothing-here = 这里什么都没有，可能已被移除。
read-only = 您登录所用的密钥只能查看：此处不能做任何更改，也不显示任何机密。
read-only-refused = 您的密钥只能查看，未执行任何操作。请使用可以更改设置的密钥登录。

sign-in-title = 登录
sign-in-key = 管理密钥
sign-in-button = 登录
sign-in-hint = filmgate 首次启动时显示过该密钥，它保存在数据目录的文件中：
sign-in-wrong = 这既不是管理密钥，也不是能打开本页面的其他密钥。
sign-in-failed = 登录失败：存储无法写入，详见日志。
sign-in-wait = 错误次数过多，请在 { $seconds } 秒后重试。
