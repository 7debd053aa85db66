package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// vectors checks the committed vectors with this program's own code.
func vectors(folder string) error {
	checks := []struct {
		name  string
		check func(path string) (int, error)
	}{
		{"canonical.json", canonicals}, {"leaf.json", leaves}, {"note.json", notes}, {"checkpoint.json", checkpoints},
		{"inclusion.json", inclusions}, {"consistency.json", consistencies}, {"batch.json", batches},
	}
	total := 0
	for _, it := range checks {
		count, err := it.check(filepath.Join(folder, it.name))
		if err != nil {
			return fmt.Errorf("%s, case %d: %w", it.name, count, err)
		}
		if count == 0 {
			return fmt.Errorf("%s has no case", it.name)
		}
		total += count
	}
	fmt.Printf("verified %d vectors\n", total)
	return nil
}

var errDiffers = errors.New("the outcome differs")

func canonicals(path string) (int, error) {
	var file struct {
		About string `json:"about"`
		Cases []struct {
			JSON      string `json:"json"`
			Canonical string `json:"canonical"`
			Digest    string `json:"digest"`
		} `json:"cases"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	for i, it := range file.Cases {
		text, err := canonical([]byte(it.JSON))
		if err != nil {
			return i, err
		}
		hash := sha256.Sum256(text)
		if string(text) != it.Canonical || it.Digest != suite+":"+hex.EncodeToString(hash[:]) {
			return i, fmt.Errorf("%w: %s", errDiffers, text)
		}
	}
	return len(file.Cases), nil
}

func leaves(path string) (int, error) {
	var file struct {
		About string `json:"about"`
		Cases []struct {
			Body          string `json:"body"`
			Salt          string `json:"salt"`
			Leaf          string `json:"leaf"`
			Entry         string `json:"entry"`
			MerkleLeaf    string `json:"merkle_leaf"`
			DigestOfEntry string `json:"digest_of_entry"`
		} `json:"cases"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	for i, it := range file.Cases {
		salt, err := hex.DecodeString(it.Salt)
		if err != nil {
			return i, err
		}
		leaf := sha256.Sum256(append(salt, it.Body...))
		entry := append([]byte{1}, leaf[:]...)
		record := tlog.RecordHash(entry)
		text := suite + ":" + hex.EncodeToString(leaf[:])
		if it.Leaf != text || it.DigestOfEntry != text || it.Entry != hex.EncodeToString(entry) ||
			it.MerkleLeaf != hex.EncodeToString(record[:]) {
			return i, errDiffers
		}
	}
	return len(file.Cases), nil
}

func notes(path string) (int, error) {
	var file struct {
		About, Text, Vkey, Note string
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	verifier, err := note.NewVerifier(file.Vkey)
	if err != nil {
		return 0, err
	}
	signed, err := note.Open([]byte(file.Note), note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	if signed.Text != file.Text {
		return 0, errDiffers
	}
	return 1, nil
}

func checkpoints(path string) (int, error) {
	var keys struct {
		About, Text, Vkey, Note string
	}
	if err := read(filepath.Join(filepath.Dir(path), "note.json"), &keys); err != nil {
		return 0, err
	}
	verifier, err := note.NewVerifier(keys.Vkey)
	if err != nil {
		return 0, err
	}
	var file struct {
		About string `json:"about"`
		Cases []struct {
			Size int64  `json:"size"`
			Root string `json:"root"`
			Note string `json:"note"`
		} `json:"cases"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	l := &log{origin: verifier.Name(), verifiers: note.VerifierList(verifier)}
	for i, it := range file.Cases {
		tree, err := l.parseCheckpoint([]byte(it.Note))
		if err != nil {
			return i, err
		}
		if tree.N != it.Size || hex.EncodeToString(tree.Hash[:]) != it.Root {
			return i, errDiffers
		}
	}
	return len(file.Cases), nil
}

func inclusions(path string) (int, error) {
	var file struct {
		About string `json:"about"`
		Cases []struct {
			Index      int64    `json:"index"`
			Size       int64    `json:"size"`
			MerkleLeaf string   `json:"merkle_leaf"`
			Root       string   `json:"root"`
			Path       []string `json:"path"`
		} `json:"cases"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	for i, it := range file.Cases {
		hashes, err := unhex(append(it.Path, it.MerkleLeaf, it.Root)...)
		if err != nil {
			return i, err
		}
		n := len(it.Path)
		if err := tlog.CheckRecord(hashes[:n], it.Size, hashes[n+1], it.Index, hashes[n]); err != nil {
			return i, err
		}
	}
	return len(file.Cases), nil
}

func consistencies(path string) (int, error) {
	var file struct {
		About string `json:"about"`
		Cases []struct {
			From     int64    `json:"from"`
			To       int64    `json:"to"`
			FromRoot string   `json:"from_root"`
			ToRoot   string   `json:"to_root"`
			Path     []string `json:"path"`
		} `json:"cases"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	for i, it := range file.Cases {
		hashes, err := unhex(append(it.Path, it.FromRoot, it.ToRoot)...)
		if err != nil {
			return i, err
		}
		n := len(it.Path)
		if err := tlog.CheckTree(hashes[:n], it.To, hashes[n+1], it.From, hashes[n]); err != nil {
			return i, err
		}
	}
	return len(file.Cases), nil
}

func unhex(texts ...string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, text := range texts {
		data, err := hex.DecodeString(text)
		if err != nil || len(data) != tlog.HashSize {
			return nil, fmt.Errorf("%q is no hash", text)
		}
		hashes = append(hashes, tlog.Hash{})
		copy(hashes[len(hashes)-1][:], data)
	}
	return hashes, nil
}

func batches(path string) (int, error) {
	var file struct {
		About   string   `json:"about"`
		Leaves  []string `json:"leaves"`
		Signed  string   `json:"signed"`
		Proofs  []batch  `json:"proofs"`
		Receipt receipt  `json:"receipt"`
	}
	if err := read(path, &file); err != nil {
		return 0, err
	}
	for i, it := range file.Proofs {
		leaf, err := digest(file.Leaves[i])
		if err != nil {
			return i, err
		}
		if err := it.check(leaf[:], []byte(file.Signed), []string{it.Signature.Key}); err != nil {
			return i, err
		}
		if int(it.Index) != i || !bytes.Equal([]byte(it.Root), []byte(file.Proofs[0].Root)) {
			return i, errDiffers
		}
	}
	return len(file.Proofs), nil
}
