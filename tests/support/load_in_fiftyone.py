"""Runs FiftyOne's own importer on an export, in FiftyOne's environment, and prints the samples as JSON.

    python load_in_fiftyone.py ROOT FILE...

No dataset is made, which would need FiftyOne's database: it is the importer that reads the file.
"""

import json
import sys

from fiftyone.utils.csv import CSVDatasetImporter


def main() -> None:
    """Import the files as the export's card says."""
    fields = {"caption_id": str, "position": int, "caption": str}
    found = []
    for path in sys.argv[2:]:
        importer = CSVDatasetImporter(labels_path=path, data_path=sys.argv[1], fields=fields)
        with importer:
            found.append([[s.filepath, s["caption_id"], s["position"], s["caption"]] for s in importer])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
