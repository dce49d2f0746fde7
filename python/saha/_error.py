"""The one exception type of the package."""


class Error(Exception):
    """What went wrong: `code` as in the JSON of the command line ("invalid-argument"), `message`, and `help`, which may be ""."""

    def __init__(self, code, message, help=""):
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help

    def __str__(self):
        return f"{self.message}\nhelp: {self.help}" if self.help else self.message
