"""What is no proxy, as an argument or in a variable of the environment."""

WRONG = [
    ("", ""),
    ("any", "any"),
    ("Direct", "Direct"),
    ("http://", "http://"),
    ("http://user:secret", "http://user…"),
    ("http://user:12secret", "http://user…"),
    ("http://any/path", "http://any…"),
    ("http://any:0", "http://any:0"),
    ("http://any:70000", "http://any:70000"),
    ("http://an y:80", "http://an y:80"),
    ("http:any:80", "http…"),
    ("user:secret@any", "***@any"),
    ("http://user:secret@", "http://***@"),
    ("http://user:secret@any/path", "http://***@any…"),
    ("http://user:secret@any:port", "http://***@any…"),
    ("http://user:sec/ret@any:80", "http://***@any:80"),
    ("http://user:sec\nret@any:80", "http://***@any:80"),
    ("http://us%3Aer:secret@any:80", "http://***@any:80"),
    ("http://us%0Aer:secret@any:80", "http://***@any:80"),
    ("http://user:secret%00@any:80", "http://***@any:80"),
    ("http://user:secret%FF@any:80", "http://***@any:80"),
    ("http://user:secret\udcff@any:80", "http://***@any:80"),
]
NOT_SPOKEN = ["https://user:secret@any:443", "socks5://user:secret@any:1080", "socks5h://any", "HTTPS://any"]
