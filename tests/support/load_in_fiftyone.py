"""FiftyOne's own importer on an export, in FiftyOne's environment: prints the samples as JSON.

python load_in_fiftyone.py ROOT FILE...

Without a dataset, which would need its database: the importer is what reads the file.
"""

import json
import sys

from fiftyone.utils.csv import CSVDatasetImporter


def main() -> None:
    """As the card of the export says."""
    fields = {"caption_id": str, "position": int, "caption": str}
    found = []
    for path in sys.argv[2:]:
        importer = CSVDatasetImporter(labels_path=path, data_path=sys.argv[1], fields=fields)
        with importer:
            found.append([[s.filepath, s["caption_id"], s["position"], s["caption"]] for s in importer])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
