# The frame around every page.
nav-label = Pages
nav-overview = Overview
nav-tokens = Tokens
nav-videos = Videos
nav-routing = Routing
nav-studio = Studio
nav-clients = Clients
nav-settings = Settings
nav-skip = Skip to the content
nav-sign-out = Sign out
nav-api = API description
nav-language = Language
nav-theme = Colours
theme-auto = Auto
theme-light = Light
theme-dark = Dark
nothing-here = There is nothing here. It may have been removed.
read-only = You signed in with a key that is only for looking: nothing can be changed here, and no secret is shown.
read-only-refused = Your key is only for looking. Nothing was done. Sign in with a key that may change things.

sign-in-title = Sign in
sign-in-key = Admin key
sign-in-button = Sign in
sign-in-hint = filmgate showed the key when it was first started. It lies in the data directory, in the file
sign-in-wrong = That is not the admin key, nor another key that opens this page.
sign-in-failed = Signing in failed, because the storage cannot be written. The log says more.
sign-in-wait = Too many wrong keys. Try again in { $seconds } s.
