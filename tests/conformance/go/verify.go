// Command verify checks a folder of evidence without any code of Yunhe's: a log (checkpoint and tiles, C2SP
// tlog-tiles), log proofs (C2SP tlog-proof) and receipts. It uses golang.org/x/mod's tlog and note; checkpoints,
// proofs, canonical JSON, batches and receipts are read by hand.
//
//	verify FOLDER             a log with its proofs and receipts
//	verify -vectors FOLDER    the committed vectors of each format
//
// FOLDER has log.vkey, checkpoint, checkpoints/SIZE, tile/…, proofs/DIGEST.tlog-proof, and, where there are receipts,
// keys.json ({"provider": [base64], "consumer": [base64]}) and receipts/*.json. Exit 0: all verified; 1: refused.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// An entry is a suite code (1: ed25519-sha256) and 32 bytes of digest.
	entryBytes = 33
	suite      = "ed25519-sha256"
)

// log is the folder and what its checkpoint says.
type log struct {
	folder    string
	origin    string
	verifiers note.Verifiers
	tree      tlog.Tree
}

func main() {
	check, folder := run, os.Args[len(os.Args)-1]
	if len(os.Args) == 3 && os.Args[1] == "-vectors" {
		check = vectors
	} else if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: verify [-vectors] FOLDER")
		os.Exit(2)
	}
	if err := check(folder); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	key, err := os.ReadFile(filepath.Join(folder, "log.vkey"))
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return fmt.Errorf("log.vkey: %w", err)
	}
	l := &log{folder: folder, origin: verifier.Name(), verifiers: note.VerifierList(verifier)}
	if l.tree, err = l.checkpoint(filepath.Join(folder, "checkpoint")); err != nil {
		return err
	}
	entries, err := l.entries()
	if err != nil {
		return err
	}
	older, err := l.older()
	if err != nil {
		return err
	}
	proofs, err := l.proofs()
	if err != nil {
		return err
	}
	receipts, err := l.receipts()
	if err != nil {
		return err
	}
	fmt.Printf("verified %s: %d entries, %d earlier checkpoints, %d proofs, %d receipts\n",
		l.origin, entries, older, proofs, receipts)
	return nil
}

// checkpoint opens a signed note and parses its text by hand.
func (l *log) checkpoint(path string) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := l.parseCheckpoint(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return tree, err
}

func (l *log) parseCheckpoint(text []byte) (tree tlog.Tree, err error) {
	signed, err := note.Open(text, l.verifiers)
	if err != nil {
		return tree, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tree, errors.New("a checkpoint has three lines")
	}
	if lines[0] != l.origin {
		return tree, fmt.Errorf("origin %q is not %q", lines[0], l.origin)
	}
	if tree.N, err = decimal(lines[1]); err != nil {
		return tree, err
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(hash) != sha256.Size {
		return tree, errors.New("the root is not 32 bytes in base64")
	}
	copy(tree.Hash[:], hash)
	if tree.N == 0 && tree.Hash != tlog.Hash(sha256.Sum256(nil)) {
		return tree, errors.New("the root of an empty log is the hash of nothing")
	}
	return tree, nil
}

func decimal(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 || strconv.FormatInt(number, 10) != text {
		return 0, fmt.Errorf("%q is no decimal", text)
	}
	return number, nil
}

// Height, ReadTiles and SaveTiles make the folder a tlog.TileReader; its paths carry a height, those of C2SP do not.
func (l *log) Height() int { return tileHeight }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(l.folder, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		if len(bytes) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(bytes))
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (l *log) SaveTiles([]tlog.Tile, [][]byte) {}

// entries reads every bundle and proves every entry through the tiles.
func (l *log) entries() (int64, error) {
	reader := tlog.TileHashReader(l.tree, l)
	for first := int64(0); first < l.tree.N; first += tileWidth {
		width := l.tree.N - first
		if width > tileWidth {
			width = tileWidth
		}
		tile := tlog.Tile{H: tileHeight, L: -1, N: first / tileWidth, W: int(width)}
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data/", tileHeight), "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(l.folder, filepath.FromSlash(path)))
		if err != nil {
			return 0, err
		}
		for index := first; index < first+width; index++ {
			entry, rest, err := cut(bundle)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			bundle = rest
			if err := l.prove(reader, index, entry); err != nil {
				return 0, fmt.Errorf("%s, entry %d: %w", path, index, err)
			}
		}
		if len(bundle) != 0 {
			return 0, fmt.Errorf("%s is longer than its entries", path)
		}
	}
	return l.tree.N, l.levels(reader)
}

func cut(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
		return nil, nil, errors.New("the bundle ends early")
	}
	length := 2 + int(binary.BigEndian.Uint16(bundle))
	if length != 2+entryBytes || bundle[2] != 1 {
		return nil, nil, errors.New("an entry is 33 bytes and begins with suite code 1")
	}
	return bundle[2:length], bundle[length:], nil
}

func (l *log) prove(reader tlog.HashReader, index int64, entry []byte) error {
	proof, err := tlog.ProveRecord(l.tree.N, index, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, index, tlog.RecordHash(entry))
}

// levels reads every hash of every tile above the entries, which authenticates those tiles too.
func (l *log) levels(reader tlog.HashReader) error {
	for level := 0; l.tree.N>>(level*tileHeight) > 0; level++ {
		for index := int64(0); index < l.tree.N>>(level*tileHeight); index += tileWidth {
			if _, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(level*tileHeight, index)}); err != nil {
				return fmt.Errorf("level %d: %w", level, err)
			}
		}
	}
	return nil
}

// older proves that the log begins with each log that was signed before.
func (l *log) older() (int, error) {
	files, err := os.ReadDir(filepath.Join(l.folder, "checkpoints"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, file := range files {
		old, err := l.checkpoint(filepath.Join(l.folder, "checkpoints", file.Name()))
		if err != nil {
			return 0, err
		}
		if old.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(l.tree.N, old.N, tlog.TileHashReader(l.tree, l))
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(proof, l.tree.N, l.tree.Hash, old.N, old.Hash); err != nil {
			return 0, fmt.Errorf("the log does not begin with its checkpoint of size %d: %w", old.N, err)
		}
	}
	return len(files), err
}

// proofs verifies proofs/DIGEST.tlog-proof.
func (l *log) proofs() (int, error) {
	paths, err := filepath.Glob(filepath.Join(l.folder, "proofs", "*.tlog-proof"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		digest, err := hex.DecodeString(strings.TrimSuffix(filepath.Base(path), ".tlog-proof"))
		if err != nil {
			return 0, err
		}
		if err := l.proof(string(text), digest); err != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return len(paths), err
}

func (l *log) proof(text string, digest []byte) error {
	head, checkpoint, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("this is no tlog-proof")
	}
	index, err := decimal(strings.TrimPrefix(lines[1], "index "))
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	tree, err := l.parseCheckpoint([]byte(checkpoint))
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(append([]byte{1}, digest...)))
}

// The parts of a receipt; what is signed or digested stays as it was written.
type receipt struct {
	Body json.RawMessage `json:"body"`
	Salt string          `json:"salt"`
	Log  struct {
		Origin      string `json:"origin"`
		Leaf        string `json:"leaf"`
		IntegrateBy string `json:"integrate_by"`
	} `json:"log"`
	Batch batch `json:"batch"`
	Asked *struct {
		Base      string    `json:"base"`
		Signature signature `json:"signature"`
	} `json:"asked"`
	Acknowledgement *struct {
		Body       json.RawMessage `json:"body"`
		Signatures []signature     `json:"signatures"`
	} `json:"acknowledgement"`
	LogProof string `json:"log_proof"`
}

type batch struct {
	Root      string    `json:"root"`
	Index     int64     `json:"index"`
	Size      int64     `json:"size"`
	Path      []string  `json:"path"`
	Signature signature `json:"signature"`
}

type signature struct {
	Suite string `json:"suite"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

type keys struct {
	Provider []string `json:"provider"`
	Consumer []string `json:"consumer"`
}

func (l *log) receipts() (int, error) {
	paths, err := filepath.Glob(filepath.Join(l.folder, "receipts", "*.json"))
	if err != nil || len(paths) == 0 {
		return 0, err
	}
	var known keys
	if err := read(filepath.Join(l.folder, "keys.json"), &known); err != nil {
		return 0, err
	}
	for _, path := range paths {
		var r receipt
		if err := read(path, &r); err != nil {
			return 0, err
		}
		if err := l.receipt(&r, known); err != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return len(paths), nil
}

func read(path string, into interface{}) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("%s: something follows the document", filepath.Base(path))
	}
	return nil
}

// receipt goes from the body to the signed root of its batch, then to the log.
func (l *log) receipt(r *receipt, known keys) error {
	body, err := canonical(r.Body)
	if err != nil {
		return err
	}
	salt, err := hex.DecodeString(r.Salt)
	if err != nil || len(salt) != 32 {
		return errors.New("the salt is 32 bytes in hex")
	}
	leaf := sha256.Sum256(append(salt, body...))
	if r.Log.Leaf != suite+":"+hex.EncodeToString(leaf[:]) {
		return errors.New("salt and body do not hash to the leaf")
	}
	if r.Log.Origin != l.origin {
		return fmt.Errorf("the receipt promises log %q", r.Log.Origin)
	}
	// Members in the order of RFC 8785; none of the values needs an escape that %q writes otherwise.
	statement := fmt.Sprintf(`{"format":"yunhe-batch/1","integrate_by":%q,"origin":%q,"root":%q,"size":%d}`,
		r.Log.IntegrateBy, r.Log.Origin, r.Batch.Root, r.Batch.Size)
	if err := r.Batch.check(leaf[:], []byte("yunhe/v1/receipt\n"+statement), known.Provider); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	if err := r.others(known, body); err != nil {
		return err
	}
	if r.LogProof == "" {
		return nil
	}
	return l.proof(r.LogProof, leaf[:])
}

// check goes from the leaf over the path to the root, and to the signature under it.
func (b *batch) check(leaf, signed []byte, known []string) error {
	var path tlog.RecordProof
	for _, text := range b.Path {
		hash, err := digest(text)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	root, err := digest(b.Root)
	if err != nil {
		return err
	}
	if b.Index < 0 || b.Index >= b.Size {
		return errors.New("the index lies outside the batch")
	}
	if err := tlog.CheckRecord(path, b.Size, root, b.Index, tlog.RecordHash(append([]byte{1}, leaf...))); err != nil {
		return err
	}
	return check(b.Signature, known, signed)
}

// others checks the consumer's request and countersignature, where they are there.
func (r *receipt) others(known keys, body []byte) error {
	if r.Asked != nil {
		if err := check(r.Asked.Signature, known.Consumer, []byte(r.Asked.Base)); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		var stated struct {
			Request string `json:"request"`
		}
		if err := json.Unmarshal(body, &stated); err != nil {
			return err
		}
		hash, err := digest(stated.Request)
		if err != nil {
			return err
		}
		line := `"content-digest": sha-256=:` + base64.StdEncoding.EncodeToString(hash[:]) + ":\n"
		if strings.Count("\n"+r.Asked.Base+"\n", "\n"+line) != 1 {
			return errors.New("request: the receipt is for another request")
		}
	}
	if r.Acknowledgement == nil {
		return nil
	}
	text, err := canonical(r.Acknowledgement.Body)
	if err != nil {
		return err
	}
	var stated struct {
		Leaves []string `json:"leaves"`
	}
	if err := json.Unmarshal(text, &stated); err != nil {
		return err
	}
	found := false
	for _, leaf := range stated.Leaves {
		found = found || leaf == r.Log.Leaf
	}
	if !found || len(r.Acknowledgement.Signatures) != 1 {
		return errors.New("acknowledgement: it is for other receipts")
	}
	signed := append([]byte("yunhe/v1/acknowledgement\n"), text...)
	if err := check(r.Acknowledgement.Signatures[0], known.Consumer, signed); err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	return nil
}

func check(s signature, known []string, message []byte) error {
	trusted := false
	for _, key := range known {
		trusted = trusted || key == s.Key
	}
	key, err1 := base64.StdEncoding.Strict().DecodeString(s.Key)
	value, err2 := base64.StdEncoding.Strict().DecodeString(s.Value)
	if !trusted || s.Suite != suite || err1 != nil || err2 != nil || len(key) != ed25519.PublicKeySize {
		return errors.New("the signature is not of a known key")
	}
	if !ed25519.Verify(key, message, value) {
		return errors.New("the signature does not fit")
	}
	return nil
}

func digest(text string) (hash tlog.Hash, err error) {
	digits := strings.TrimPrefix(text, suite+":")
	bytes, err := hex.DecodeString(digits)
	if err != nil || len(bytes) != len(hash) || suite+":"+hex.EncodeToString(bytes) != text {
		return hash, fmt.Errorf("%q is no digest", text)
	}
	copy(hash[:], bytes)
	return hash, nil
}

// canonical writes JSON as RFC 8785 does.
func canonical(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value interface{}
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err := write(&out, value)
	return out.Bytes(), err
}

func write(out *bytes.Buffer, value interface{}) error {
	switch value := value.(type) {
	case map[string]interface{}:
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Slice(names, func(i, j int) bool { return before(names[i], names[j]) })
		out.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				out.WriteByte(',')
			}
			writeString(out, name)
			out.WriteByte(':')
			if err := write(out, value[name]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	case []interface{}:
		out.WriteByte('[')
		for i, item := range value {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := write(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case string:
		writeString(out, value)
	case json.Number:
		number, err := value.Float64()
		if err != nil {
			return err
		}
		// encoding/json formats numbers as ECMAScript does, minus zero apart.
		if number == 0 {
			number = 0
		}
		text, err := json.Marshal(number)
		if err != nil {
			return err
		}
		out.Write(text)
	default:
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		out.Write(text)
	}
	return nil
}

// before orders names by UTF-16 code units.
func before(left, right string) bool {
	a, b := utf16.Encode([]rune(left)), utf16.Encode([]rune(right))
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return len(a) < len(b)
}

func writeString(out *bytes.Buffer, text string) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	out.WriteByte('"')
	for _, char := range text {
		if escape, ok := short[char]; ok {
			out.WriteString(escape)
		} else if char < 0x20 {
			fmt.Fprintf(out, `\u%04x`, char)
		} else {
			out.WriteRune(char)
		}
	}
	out.WriteByte('"')
}
