"""Runs a program with the contracts that were compiled for it: main.py GENERATED PROGRAM ARGUMENT…

grpcio has the package `grpc` and the contracts have `grpc.testing`, so the one is looked for in both places.
"""

import runpy
import sys

import grpc

sys.dont_write_bytecode = True
generated, program, *sys.argv[1:] = sys.argv[1:]
sys.path.insert(1, generated)
grpc.__path__.append(f"{generated}/grpc")
runpy.run_path(program, run_name="__main__")
