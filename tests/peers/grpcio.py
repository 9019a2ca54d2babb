"""Programs of Python's grpcio, with the contracts compiled for them."""

import lib

FOLDERS = [lib.ROOT / "proto", lib.ROOT / "mesh/proto", lib.ROOT / "tests/interop/proto"]


class Python:
    """Compiles the contracts that `globs` name; `folder` has the programs."""

    def __init__(self, suite, folder, *globs):
        self.suite, self.folder, self.generated = suite, folder, suite.scratch / "generated"
        self.generated.mkdir()
        files = [path.relative_to(root) for root in FOLDERS for glob in globs for path in root.glob(glob)]
        command = [lib.peer("grpc-python"), "-m", "grpc_tools.protoc", *(f"-I{root}" for root in FOLDERS)]
        done = lib.finished([*command, f"--python_out={self.generated}", f"--grpc_python_out={self.generated}", *files], 60)
        suite.check(done.returncode == 0, "grpcio's compiler takes the contracts", done.stderr)

    def command(self, program, *words):
        main = lib.ROOT / "tests/peers/python/main.py"
        return [lib.peer("grpc-python"), main, self.generated, self.folder / f"{program}.py", *words]

    def start(self, program, *words, env=None):
        """Starts a program that says where it listens."""
        return lib.Listening(self.suite, program, self.command(program, *words), env)
