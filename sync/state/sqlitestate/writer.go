package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"weir/sync/state"
)

// maxBatch is how many writes share a transaction at most.
const maxBatch = 256

// writer owns the connection that writes. One goroutine takes the writes in
// turn; those that arrive while one is on its way to the disk are waiting at
// the queue and go together next.
type writer struct {
	db    *sql.DB
	tx    *tx
	queue chan *write // unbuffered: who gives up waiting has not been taken
	quit  chan struct{}
	done  chan struct{}
}

// write is one method's part of a transaction. do may run again after its
// transaction failed, and then counts alone.
type write struct {
	do   func(*tx) error
	done chan error
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: db,
		tx: &tx{
			conn: conn, prepared: map[string]*sql.Stmt{},
			tips: map[state.Chain]state.Tip{}, chains: map[int64]state.Chain{},
		},
		queue: make(chan *write),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go w.run()
	return w, nil
}

// submit has do carried out and returns when its effect is durable. Where ctx
// ends before do was taken, there is no effect; afterwards its outcome is
// awaited, which SQLite's busy timeout bounds.
func (w *writer) submit(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &write{do: do, done: make(chan error, 1)}
	select {
	case w.queue <- op:
		return <-op.done
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return errClosed()
	}
}

func errClosed() error { return faulty(state.Closed, errors.New("the store is closed")) }

func (w *writer) close() error {
	close(w.quit)
	<-w.done
	return errors.Join(w.tx.close(), w.db.Close())
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case first := <-w.queue:
			w.commit(w.gather(first))
		}
	}
}

// gather adds the writes that wait at the queue to first.
func (w *writer) gather(first *write) []*write {
	batch := []*write{first}
	runtime.Gosched() // lets those just answered come with their next write
	for len(batch) < maxBatch {
		select {
		case op := <-w.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit answers every write of the batch. Where one spoils the transaction
// (a full disk, an oversized text), each is tried alone.
func (w *writer) commit(batch []*write) {
	err := w.tx.run(batch)
	if err != nil && len(batch) > 1 && classify(err) != state.Busy {
		for _, op := range batch {
			op.done <- w.tx.run([]*write{op})
		}
		return
	}
	for _, op := range batch {
		op.done <- err
	}
}

// tx is the connection inside a transaction. Statements are prepared once.
type tx struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	tips     map[state.Chain]state.Tip // ends of the chains, as they were last seen
	chains   map[int64]state.Chain     // of entries that were opened here and not closed yet
}

// run carries out the batch in one transaction. Where another process has made
// the chains longer than they were last seen, it begins again.
func (t *tx) run(batch []*write) error {
	err := t.attempt(batch)
	if stale(err) {
		err = t.attempt(batch)
	}
	return err
}

func (t *tx) attempt(batch []*write) error {
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, op := range batch {
		if err := op.do(t); err != nil {
			return t.rollback(err)
		}
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return t.rollback(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// rollback ends the transaction after err. Its own failure says nothing new:
// SQLite has already ended a transaction that found the disk full.
func (t *tx) rollback(err error) error {
	_, _ = t.exec("ROLLBACK")
	clear(t.tips)
	return err
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

// row scans the one row that query gives, or returns sql.ErrNoRows.
func (t *tx) row(query string, args []any, into ...any) error {
	stmt, err := t.stmt(query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(context.Background(), args...).Scan(into...)
}

// each hands the rows of a query to take until it has enough.
func (t *tx) each(query string, args []any, take func(*sql.Rows) (more bool, err error)) error {
	stmt, err := t.stmt(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if more, err := take(rows); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if stmt, ok := t.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.prepared[query] = stmt
	return stmt, nil
}

func (t *tx) close() error {
	var errs []error
	for _, stmt := range t.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
