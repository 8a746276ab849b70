// Studies in a database of a PostgreSQL server (13 or later), in Optuna's schema plus tables of lathe's own (lathe_*): for workers
// on several machines.
//
// The log and Optuna's rows change in one transaction, under the lock on the study's row that Optuna takes too. A claim locks its
// task (FOR UPDATE SKIP LOCKED) and swaps owner and attempt; leases run by the server's clock, and none is taken over in the first
// five seconds after the server started, so that its owner can renew it. One connection serves a backend and all its studies.
//
// A server that goes away (restart, crash, network) is waited for, as ServerOptions says, and the transaction runs again. Where the
// connection broke during COMMIT, the server is asked what became of it (pg_xact_status): no effect is lost and none happens twice.
// Where the network breaks inside a transaction, the server ends the session that hangs, and with it its locks, within half a
// minute; that and every other lock held by somebody else is waited for in the same way. Not through a pooler that gives each
// transaction another connection: statements are prepared.
#pragma once
#include <lathe/nas/storage/open.h>

namespace lathe::nas {

/// The studies in the database at `url`: what libpq takes, plus ?lathe_patience=SECONDS. `create`: the tables are made if they are
/// missing (else InputError); the database itself has to be there. Errors as open_backend().
std::unique_ptr<Backend> postgresql_backend(const std::string& url, bool create, const ServerOptions& options = {});

}  // namespace lathe::nas
