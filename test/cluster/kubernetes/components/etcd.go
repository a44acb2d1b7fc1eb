package main

import (
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdCommand is etcd as one member, from its own library. It does not wait for the disk: what a cluster of a test wrote is of no use after
// a crash of the machine, and a crash of the process loses nothing.
func etcdCommand() *cobra.Command {
	var directory, client, peer string
	command := &cobra.Command{
		Use:           "etcd",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			config := embed.NewConfig()
			config.Dir = directory
			config.LogLevel = "warn"
			config.UnsafeNoFsync = true
			clientURL, err := url.Parse(client)
			if err != nil {
				return err
			}
			peerURL, err := url.Parse(peer)
			if err != nil {
				return err
			}
			config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{*clientURL}
			config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
			config.InitialCluster = config.InitialClusterFromName(config.Name)
			server, err := embed.StartEtcd(config)
			if err != nil {
				return err
			}
			<-server.Server.ReadyNotify()
			fmt.Println("etcd is ready")
			ended := make(chan os.Signal, 1)
			signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
			select {
			case err := <-server.Err():
				return err
			case <-ended:
				server.Close()
				return nil
			}
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "where it keeps its data")
	command.Flags().StringVar(&client, "listen-client", "http://127.0.0.1:2379", "where the API server finds it")
	command.Flags().StringVar(&peer, "listen-peer", "http://127.0.0.1:2380", "where other members would")
	return command
}
