package call

import "sync"

// An account's budget for retries, in the manner of the AWS SDKs: while most
// calls succeed it is never noticed, and when most fail it ends the retries.
const (
	budgetFull    = 500
	budgetRetry   = 5
	budgetUnknown = 10 // a time-out costs everybody more
	budgetSuccess = 1
)

// budget is one account's.
type budget struct {
	mu   sync.Mutex
	left int
}

// withdraw takes the price of a retry after the given outcome, or nothing
// where too little is left.
func (b *budget) withdraw(after Code) bool {
	price := budgetRetry
	if after == Unknown {
		price = budgetUnknown
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < price {
		return false
	}
	b.left -= price
	return true
}

// succeeded gives a little back.
func (b *budget) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(budgetFull, b.left+budgetSuccess)
}

// budgets are those of all accounts.
type budgets struct {
	mu        sync.Mutex
	byAccount map[string]*budget
}

func newBudgets() *budgets { return &budgets{byAccount: map[string]*budget{}} }

// of returns an account's budget.
func (b *budgets) of(account string) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	own, ok := b.byAccount[account]
	if !ok {
		own = &budget{left: budgetFull}
		b.byAccount[account] = own
	}
	return own
}
