package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/resource"
)

// statusOf prints all that the daemon knows of one resource.
func (a *app) statusOf(ctx context.Context, d *askedDaemon, name string) error {
	id, err := resource.ParseID(name)
	if err != nil {
		return fmt.Errorf("%w%s", err, meantText(askNear(ctx, d, name)))
	}
	var r view.Resource
	path := (&url.URL{Path: "/api/v1/resources/" + id.String()}).EscapedPath()
	err = askJSON(ctx, d, path, &r)
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusNotFound && refused.Detail != "":
		return fmt.Errorf("%s%s", refused.Detail, meantText(refused.Near))
	case err != nil:
		return fmt.Errorf("ask the daemon on %s: %w%s", d.name, err, absentText(err))
	case a.output == "json":
		return a.printJSON(r)
	}
	return a.print(func(w io.Writer) { printResource(w, r, a.style()) })
}

// meantText names ids that may have been meant.
func meantText(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return "; perhaps " + strings.Join(ids, " or ")
}

// nearAsked is how many ids are named that hold what was given in place of one.
const nearAsked = "3"

// askNear returns ids that hold a text, none where that cannot be found out.
func askNear(ctx context.Context, d *askedDaemon, text string) []string {
	var list view.List
	query := url.Values{"q": {text}, "limit": {nearAsked}}
	if askJSON(ctx, d, "/api/v1/resources?"+query.Encode(), &list) != nil {
		return nil
	}
	var ids []string
	for _, r := range list.Resources {
		ids = append(ids, r.ID)
	}
	return ids
}

// askJSON asks the daemon for a path and decodes its answer, which has to come soon.
func askJSON(ctx context.Context, d *askedDaemon, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return fetchJSON(ctx, d, path, into)
}

// fetchJSON is askJSON for as long as ctx lasts.
func fetchJSON(ctx context.Context, d *askedDaemon, path string, into any) error {
	body, err := d.ask(ctx, http.MethodGet, path, http.StatusOK)
	if err != nil {
		return err
	}
	defer body.Close()
	dec := json.NewDecoder(io.LimitReader(body, statusBody))
	dec.UseNumber() // as it was said, however long
	return dec.Decode(into)
}
