package etcdstate

// pruned is told that the journal has grown.
func (s *Store) pruned(from, to int64) {}
