// Command server runs one etcd member, for weir's tests and its example: the server
// as etcd's makers offer it for embedding. It is a module of its own, so that nothing
// of it is in weir's program.
//
//	server -name a -dir DIR -client 127.0.0.1:2379 -peer 127.0.0.1:2380 \
//	       -cluster a=http://127.0.0.1:2380,b=... [-cert FILE -key FILE -ca FILE]
//
// It says "ready" on its standard output when it serves, and ends with its standard
// input where -tied is given: no test leaves one behind.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	cfg := embed.NewConfig()
	var client, peer, token string
	var cert, key, ca string
	var tied, existing bool
	var tick int
	flag.StringVar(&cfg.Name, "name", "a", "name of the member")
	flag.StringVar(&cfg.Dir, "dir", "", "folder of its data")
	flag.StringVar(&client, "client", "127.0.0.1:0", "address for clients")
	flag.StringVar(&peer, "peer", "127.0.0.1:0", "address for other members")
	flag.StringVar(&cfg.InitialCluster, "cluster", "", "NAME=URL of all members, with commas between")
	flag.StringVar(&token, "token", "weir", "names the cluster")
	flag.BoolVar(&existing, "existing", false, "the member joins a cluster that exists")
	flag.IntVar(&tick, "heartbeat", 100, "heartbeat in milliseconds; an election takes ten of them")
	flag.StringVar(&cert, "cert", "", "certificate of the server; makes clients use TLS")
	flag.StringVar(&key, "key", "", "its key")
	flag.StringVar(&ca, "ca", "", "authority that clients' certificates must be signed by")
	flag.Int64Var(&cfg.QuotaBackendBytes, "quota", 2<<30, "bytes that the data may take")
	flag.UintVar(&cfg.MaxTxnOps, "txn-ops", embed.DefaultMaxTxnOps, "operations a transaction may have")
	flag.BoolVar(&tied, "tied", false, "end with the standard input")
	flag.Parse()

	scheme := "http"
	if cert != "" {
		scheme = "https"
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = cert, key
		cfg.ClientTLSInfo.TrustedCAFile, cfg.ClientTLSInfo.ClientCertAuth = ca, ca != ""
	}
	cfg.ListenClientUrls = []url.URL{{Scheme: scheme, Host: client}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{{Scheme: "http", Host: peer}}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.InitialClusterToken = token
	if cfg.InitialCluster == "" {
		cfg.InitialCluster = cfg.Name + "=http://" + peer
	}
	if existing {
		cfg.ClusterState = embed.ClusterStateFlagExisting
	}
	cfg.TickMs, cfg.ElectionMs = uint(tick), uint(10*tick)
	cfg.LogLevel, cfg.Logger, cfg.LogOutputs = "error", "zap", []string{"stderr"}
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "5m"

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return fmt.Errorf("member %s is not ready after a minute", cfg.Name)
	case err := <-e.Err():
		return err
	}
	fmt.Println("ready")
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	if tied {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			end <- os.Interrupt
		}()
	}
	select {
	case <-end:
		return nil
	case err := <-e.Err():
		return err
	}
}
