"""Which learning rate was best, for each batch size of the sweep `quickstart`, and how training went there.

Run it in the folder of the sweep: swath -cn quickstart && python best_learning_rate.py
"""

import swath

runs = swath.load_sweep("quickstart")
runs = runs[runs["status"] == "FINISHED"]
best = runs.loc[runs.groupby("batch_size")["validation/accuracy"].idxmax()]
print(best[["batch_size", "learning_rate", "max_steps", "validation/accuracy"]].to_string(index=False))

curves = swath.load_curves(list(best["run_id"]), ["train/accuracy"])
for run_id, curve in curves.groupby("run_id", sort=False):
    high = curve[curve["value"] >= 0.9]
    print(run_id, "first had nine of ten training images right at step", high["step"].min())

weights = swath.load_weights(best["run_id"].iloc[0])
print("weights", weights.weights.shape, weights.weights.dtype)
