"""Contenders that take a known time, or cheat."""

import time


class Honest:
    """Sleeps for each unit."""

    def __init__(self, seconds: float = 0.002, parameters: int = 10):
        self.seconds, self.parameters, self.done = seconds, parameters, 0

    def run(self, amount: int) -> None:
        for _ in range(amount):
            self.one()
            self.done += 1

    def one(self) -> None:
        time.sleep(self.seconds)

    def facts(self) -> dict:
        return {"parameters": self.parameters, "done": self.done}


class Lazy(Honest):
    """Does every second unit only."""

    def run(self, amount: int) -> None:
        super().run(amount // 2)


class Broken(Honest):
    """Fails within its work."""

    def one(self) -> None:
        raise RuntimeError("out of order")
