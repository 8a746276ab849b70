#!/bin/bash
# Workers of one study as the ranks of an MPI job. They talk to the database only, so any MPI's starter will do:
#
#   mpirun -n 16 examples/cluster/mpi.sh CONFIG     (config.toml of the study; the password: PGPASSWORD, or ~/.pgpass)
#
# mpirun ends a job as soon as one rank fails, so a rank whose machine failed (exit code 3) tries twice more before it gives up.
: "${1:?usage: mpirun -n RANKS mpi.sh CONFIG}"
for pause in 10 30 0; do
  lathe worker "$1"
  code=$?
  [ $code = 3 ] || break
  sleep $pause
done
exit $code
