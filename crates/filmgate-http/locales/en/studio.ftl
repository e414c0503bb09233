# Studio.

studio-about = Make a video as any client would, and watch it come. It takes quota like any other.
studio-prompt = What the video shows
studio-model = Model
studio-resolution = Resolution
studio-seconds = Seconds
studio-ratio = Aspect ratio
studio-shortage = When no token can deliver it
studio-max-wait = Wait at most (seconds)
studio-caller = Made for the caller
studio-image = First frame (if there is to be one)
studio-image-file = A file (PNG, JPEG or WebP)
studio-image-url = Or its address
studio-image-again = If you had chosen a file, please choose it again.
studio-make = Make the video
studio-check = Check first
studio-offers = What can be asked for
studio-last = The studio's last videos
studio-where = Where it would go now
studio-would-go = { $pool } would be asked for { $sent }.
studio-no-token = No token could make it now.
studio-routing = Look closer at the routing
studio-code = The same request as code
studio-code-about = Each of these makes this video with a client key in the environment variable
studio-copy = Copy
studio-copied = Copied
