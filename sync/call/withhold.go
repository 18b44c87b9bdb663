package call

import "context"

// Withhold lets through the reads named and answers everything else with
// Withheld, without sending it: the fence of a dry run. The list decides, not
// the credentials (some operations with effects count as reads in the clouds'
// permission systems) and not Request.Write alone (a provider may be wrong): a
// call goes out only if its operation is listed and it says that it is a read.
func Withhold(next Caller, reads []string) Caller {
	allowed := make(map[string]bool, len(reads))
	for _, operation := range reads {
		allowed[operation] = true
	}
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		if !allowed[req.Operation] || req.Write {
			return nil, refusal(req, Withheld, "dry run: not sent", nil)
		}
		return next.Call(ctx, req)
	})
}

// refusal is the outcome of a call that was not sent.
func refusal(req *Request, code Code, message string, err error) *Error {
	return &Error{Code: code, Operation: req.Operation, Message: message, Err: err, unsent: true}
}
