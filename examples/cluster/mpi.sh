#!/bin/bash
# Workers of one study as the ranks of an MPI job. They talk to the database only, so any MPI's starter will do:
#
#   export LATHE_STORAGE=postgresql://me@dbhost/studies     (the password: PGPASSWORD, or ~/.pgpass)
#   mpirun -n 16 examples/cluster/mpi.sh STUDY
#
# mpirun ends a job as soon as one rank fails, so a rank whose machine failed (exit code 3) tries twice more before it gives up.
: "${1:?usage: mpirun -n RANKS mpi.sh STUDY}"
: "${LATHE_STORAGE:?is not set: the database of the study, postgresql://USER@HOST/DATABASE}"
for pause in 10 30 0; do
  lathe worker "$LATHE_STORAGE" --name "$1"
  code=$?
  [ $code = 3 ] || break
  sleep $pause
done
exit $code
